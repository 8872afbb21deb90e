"""Starts ministack, made faster and truer to AWS. No file of the package is changed.

Knows three internals of the pinned ministack; must not know anything of ours.

Faster: a warm invocation of a function on provided.al2023 takes 100 ms; 40 ms of them because the Runtime API answers
in two small packets (Nagle waits for a delayed ACK), and 50 ms because ministack waits that long for a first log line.
With both mended it takes 4-5 ms, and no log line is lost.

Truer: AWS has no permission sqs:SendMessageBatch; sqs:SendMessage covers the batch, and so on. ministack asks for the
name of the operation, which would force permissions into our policies that don't exist.
"""

import http.server

from ministack.app import main
from ministack.core import iam_actions, lambda_runtime

FIRST_LINE_WAIT = 0.002  # seconds; stock 0.050
QUIET_AFTER_A_LINE = 0.002  # seconds; stock 0.005
LONGEST_DRAIN = 0.250  # seconds; as in stock

http.server.BaseHTTPRequestHandler.disable_nagle_algorithm = True
lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (FIRST_LINE_WAIT, QUIET_AFTER_A_LINE, LONGEST_DRAIN)

operation_as_action = iam_actions.extract_iam_action


def permission(*arguments, **named):
    action = operation_as_action(*arguments, **named)
    return action.removesuffix("Batch") if action and action.startswith("sqs:") else action


iam_actions.extract_iam_action = permission

main()
