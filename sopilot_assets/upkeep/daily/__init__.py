"""The daily report: what a day brought, where things stand at its end, and what needs a person."""
