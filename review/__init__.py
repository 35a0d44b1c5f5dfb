"""The page on which people review items: which items, who gets in, what is shown, and where verdicts are kept."""
