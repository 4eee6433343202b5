"""The storm: everything real, struck at random while jobs pour in, and an oracle that knows only what went in."""
