"""chat: one account's app in a terminal.

`desk` holds what the account sees and speaks to the rail's Client API; `screen` shows it (Textual); `command` begins.
"""
