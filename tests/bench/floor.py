async def orders_per_second(stack, seconds):
    return 0.0
