"""The federation in one process, driven step by step: real rails, bridges and router core, real SQLite in memory.

What is not real is the way between them: webhooks, calls, ingress streams and the log are lists here (`federation`),
whose order, doubling and losses the test decides. No logic of the product is written a second time.
"""
