"""Members that were merged into another: in whose row to look."""


def stands_for(row: str) -> str:
    """The id of whoever stands for the member in ``row``, a table's alias.

    Not coalesce(): under row-level security that could not be looked up in an index, because
    PostgreSQL does not know that it tells nothing of rows that are hidden.
    """
    return f"CASE WHEN {row}.merged_into IS NULL THEN {row}.customer_id ELSE {row}.merged_into END"
