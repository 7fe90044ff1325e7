"""Operations: one file each, `plan(...) -> edits`. They decide what changes; `rewrite` applies it."""
