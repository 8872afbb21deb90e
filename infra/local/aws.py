"""One call to AWS: aws.py SERVICE OPERATION PARAMETERS, prints the answer as JSON. PARAMETERS is JSON too.

Knows botocore, which the sam venv brings along; must not know what the calls are for.
"""

import json
import sys

import botocore.exceptions
import botocore.session

service, operation, parameters = sys.argv[1:]
client = botocore.session.get_session().create_client(service)
try:
    answer = client._make_api_call(operation, json.loads(parameters))
except botocore.exceptions.ClientError as error:
    sys.exit(f"{service} {operation}: {error}")
answer.pop("ResponseMetadata", None)
print(json.dumps(answer, default=str))
