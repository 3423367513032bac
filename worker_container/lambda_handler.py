"""What ``awslambdaric`` imports: the container is made while its function comes up, not by a visit."""

from __future__ import annotations

import os

from worker_container.aws_lambda import LambdaContainer

handler = LambdaContainer.made(os.environ).answer
