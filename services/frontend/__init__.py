"""Frontend: hands out the page of the shop and its parts."""
