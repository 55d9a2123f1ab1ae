"""The laws that the rows of every plan follow, and p-values for them; docs/statistics.md says what they prove."""
