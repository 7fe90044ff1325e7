"""A grid of variants: planned, made and verified on warm workers, kept row by row. `rows` has the nouns: read it first."""
