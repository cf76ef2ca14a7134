"""The programs: one thin module a role."""
