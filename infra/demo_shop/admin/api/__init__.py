"""The Admin GraphQL API as the demo shop serves it, over Shopify's own schema.

``routes`` takes a request, ``documents`` refuses what is no document of the schema, ``costs`` and
``throttle`` say what it costs and whether there is enough left, ``execution`` answers it. What
there is to ask for is in a module for each subject, over a ``shop`` that is kept in memory.
``trouble`` lets tests disturb it.
"""
