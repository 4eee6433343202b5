"""Send many jobs at once and take results as they come. Run `darkroom up` first.

python examples/many.py 20
"""

from __future__ import annotations

import asyncio
import sys

from darkroom import AsyncClient, Inputs, Job, new_id

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")


def job(number: int, model: str | None) -> Job:
    prompt = f"a {COLOURS[number % len(COLOURS)]} star on a white background"
    return Job(id=new_id(), tenant="examples", task="text-to-image", model=model, inputs=Inputs(prompt=prompt, seed=number))


async def main(count: int, model: str | None) -> None:
    async with AsyncClient() as client:
        handles = await client.submit_many(job(number, model) for number in range(count))
        for ended in asyncio.as_completed([handle.result(timeout=300, check=False) for handle in handles]):
            result = await ended
            print(result.id, result.state, *(output.url for output in result.outputs))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
