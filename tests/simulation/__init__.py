"""The federation in one process, the product's own code, on a clock that the tests move.

Three worlds: the bus with both its ends (`world`), the whole federation on it (`whole`), and the federation driven turn
by turn, with lists where the bus stands (`federation`). No logic of the product is written a second time.
"""
