"""What people say about recordings: label events, sheets, agreement between raters."""
