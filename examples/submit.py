"""Send one job and save its picture. Run `darkroom up` first.

python examples/submit.py "a red circle above a blue square on a yellow background" picture.png
"""

from __future__ import annotations

import sys

from darkroom import Client, JobFailed

prompt, target = sys.argv[1:3]
model = sys.argv[3] if len(sys.argv) > 3 else None

with Client(tenant="examples") as client:
    job = client.submit(prompt, priority="paid", model=model)
    for status in job.status():
        print(status.state, *(f"{status.step}/{status.steps}" for _ in range(1) if status.step))
    try:
        print(*job.save(target))
    except JobFailed as error:
        sys.exit(f"{error.code}: {error.message}")
