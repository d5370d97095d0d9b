"""All pairs of adapters over the places, some adapters against all at a time; each file keeps one thing of them."""
