"""Charts that several pages draw, as Altair charts of plain values; nothing here fetches or shows."""
