"""Fills buckets of an S3 server: `python -m tests.harness.fill_bucket ENDPOINT`, by the engine's python.

Standard input is a list of JSON objects: {bucket, public?, objects: [{key, file, part_size?}], delete: [keys]}.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig

NEVER = 1 << 40


def fill(client: Any, order: dict[str, Any]) -> None:
    """Carry out what one JSON object asks for."""
    bucket = order["bucket"]
    if bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    if order.get("public"):
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(_public(bucket)))
    for each in order.get("objects", ()):
        part_size = each.get("part_size", NEVER)
        parts = TransferConfig(multipart_threshold=part_size, multipart_chunksize=part_size)
        if each["key"].endswith("/"):
            client.put_object(Bucket=bucket, Key=each["key"])
        else:
            client.upload_file(str(Path(each["file"])), bucket, each["key"], Config=parts)
    for key in order.get("delete", ()):
        client.delete_object(Bucket=bucket, Key=key)


def _public(bucket: str) -> dict[str, Any]:
    """Return a policy that lets everybody list and read the bucket."""
    allowed = {"s3:ListBucket": f"arn:aws:s3:::{bucket}", "s3:GetObject": f"arn:aws:s3:::{bucket}/*"}
    statements = [
        {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
        for action, resource in allowed.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}


if __name__ == "__main__":
    s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1")
    for one in json.load(sys.stdin):
        fill(s3, one)
