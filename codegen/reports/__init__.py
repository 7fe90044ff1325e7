"""A sweep as a page and as Markdown, and a model as a picture. Reads rows, measures nothing; the templates are in report/."""
