"""The runtime that all bridges share. It knows no rail by name.

contract     native values, calls, verdicts, and what a rail's file must offer (`Translator`)
extension    the federation extension of docs/rail-api.md: the same calls and webhooks on every bundled rail
tolerant     reading JSON of which a part may be unreadable
graph        what the three platforms' error answers have in common
parts        splitting long texts
receipts     native receipts <-> canonical positions (pure)
idmap        native ids <-> canonical ids, and every durable row of a bridge (schema.sql)
outbox       events on their way to the bus: claimed, published once, confirmed by the log
people       who a handle is: a bounded cache over the directory
accounts     who a native account is, and the ghosts kept on the rail
intake       webhooks in
resolve      "who is this address?", asked by the rail
logreader    the federation log in
acts         legs -> calls
outlet       calls out, a lane a conversation
rail         HTTP to the rail
signs        what is said between bridges and never stored; `live` says who is writing (typists: pure), `presence` who
             is there (attendance: pure)
talks        which conversation a thread is, for what is about no message
daemon       wires all this and runs it
"""
