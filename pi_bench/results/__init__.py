"""From what was measured to cards, tables, pictures and pages."""
