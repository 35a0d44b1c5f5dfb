"""The data: records, taxonomy, personas, themes, plans, and curation.  Imports nothing of ours."""
