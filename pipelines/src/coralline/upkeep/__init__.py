"""What keeps a store well over the years: forgetting, clearing away, checking and mending."""
