"""What reports share: a page that stands alone in one file, its tables, drawings and pictures."""
