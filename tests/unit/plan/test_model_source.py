"""Where a model's files come from, and what the engine is told about it."""

from typing import Any

import pytest

from rayllm_engine.settings import parse_settings
from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.validation import parse_model, parse_pool
from rayllm_operator.plan import PlanRequest, PlanResult, Pool, plan_model

SCALING = {"num_workers": 1, "resources_per_worker": {}}


def plan(cluster: dict[str, Any] | None = None, **engine: Any) -> PlanResult:
    spec = {"engine_config": {"model_id": "org/m", **engine}, "scaling_config": SCALING}
    parsed, findings = parse_model(spec | ({"cluster_config": cluster} if cluster else {}))
    assert parsed is not None, findings
    pool, findings = parse_pool(
        {"resources": {}, "node": {"gpus": 1, "cpus": 8, "memory": "8Gi"}, "maxNodes": 1}
    )
    assert pool is not None, findings
    return plan_model(PlanRequest("m", "default", parsed, (Pool("p", pool),), OperatorConfiguration()))


def said(result: PlanResult) -> list[str]:
    return [f"{finding.severity}: {finding}" for finding in result.findings]


def rendered(**engine: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the model_loading_config and the contract's mirror, which the engine has accepted."""
    result = plan(**engine)
    assert result.plan is not None, said(result)
    config = result.plan.application.llm_config
    assert parse_settings(config["experimental_configs"])
    return config["model_loading_config"], config["experimental_configs"]["rayllm"].get("mirror")


def test_without_a_mirror_the_engine_loads_by_id_or_path() -> None:
    assert rendered() == ({"model_id": "org/m", "model_source": "org/m"}, None)
    assert rendered(hf_model_id="hf/m")[0]["model_source"] == "hf/m"
    assert rendered(hf_model_id="/models/m")[0]["model_source"] == "/models/m"


def test_a_mirror_is_downloaded_by_our_own_code_and_cached_under_the_hub_s_id() -> None:
    mirror = {"bucket_uri": "s3://bucket/m"}
    loading, contract = rendered(s3_mirror_config=mirror, hf_model_id="hf/m")
    assert loading == {"model_id": "org/m", "model_source": "hf/m"}
    assert contract == {"model": "hf/m", "uri": "s3://bucket/m"}
    assert rendered(gcs_mirror_config={"bucket_uri": "gs://bucket/m"})[1] == {
        "model": "org/m",
        "uri": "gs://bucket/m",
    }


def test_every_setting_of_a_mirror_reaches_the_engine() -> None:
    arguments = [
        "--no-sign-request",
        "--exclude",
        "*",
        "--include=*.json",
        "--endpoint-url",
        "http://s3:9000",
    ]
    arguments += ["--region", "eu-west-1", "--profile=p", "--request-payer", "requester", "--no-verify-ssl"]
    arguments += ["--ca-bundle", "/ca.pem"]
    _, contract = rendered(
        s3_mirror_config={
            "bucket_uri": "s3://bucket/m",
            "s3_sync_args": arguments,
            "s3_aws_credentials": {
                "create_aws_credentials_url": "https://example.org/c",
                "auth_token_env_variable": "TOKEN",
            },
            "extra_files": [{"bucket_uri": "gs://other/x", "destination_path": "~/x"}],
        }
    )
    assert contract == {
        "model": "org/m",
        "uri": "s3://bucket/m",
        "filters": [{"exclude": "*"}, {"include": "*.json"}],
        "anonymous": True,
        "s3": {
            "endpoint_url": "http://s3:9000",
            "region": "eu-west-1",
            "profile": "p",
            "request_payer": "requester",
            "verify_tls": False,
            "ca_bundle": "/ca.pem",
        },
        "credentials": {"url": "https://example.org/c", "token_variable": "TOKEN"},
        "extra_files": [{"uri": "gs://other/x", "destination": "~/x"}],
    }


def test_extra_files_can_come_from_a_bucket_while_the_model_does_not() -> None:
    extra = [{"bucket_uri": "s3://bucket/x", "destination_path": "/x"}]
    loading, contract = rendered(s3_mirror_config={"extra_files": extra}, hf_model_id="/models/m")
    assert loading["model_source"] == "/models/m"
    assert contract == {"model": "org/m", "extra_files": [{"uri": "s3://bucket/x", "destination": "/x"}]}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--delete"],
            "error: engine_config.s3_mirror_config.s3_sync_args[0]: '--delete' is not supported; the download"
            " carries out --ca-bundle, --endpoint-url, --exclude, --include, --no-sign-request, --no-verify-ssl,"
            " --profile, --region, --request-payer",
        ),
        (
            ["--quiet", "--region eu-west-1"],
            "error: engine_config.s3_mirror_config.s3_sync_args[1]: '--region eu-west-1' is one argument; write"
            " the option and its value as two entries of the list",
        ),
        (
            ["--exclude", "--region", "x"],
            "error: engine_config.s3_mirror_config.s3_sync_args[0]: --exclude needs a value",
        ),
        *(
            (arguments, f"error: engine_config.s3_mirror_config.s3_sync_args[0]: {option} needs a value")
            for option, arguments in {
                "--region": ["--region="],
                "--include": ["--include", ""],
                "--profile": ["--profile"],
            }.items()
        ),
        (
            ["--page-size", "5"],
            "warning: engine_config.s3_mirror_config.s3_sync_args[0]: --page-size has no effect here: leave it out",
        ),
        (
            ["--no-sign-request=true"],
            "error: engine_config.s3_mirror_config.s3_sync_args[0]: '--no-sign-request=true' is not supported; the"
            " download carries out --ca-bundle, --endpoint-url, --exclude, --include, --no-sign-request,"
            " --no-verify-ssl, --profile, --region, --request-payer",
        ),
        (
            ["--request-payer", "me"],
            "error: engine_config.s3_mirror_config.s3_sync_args[0]: --request-payer is 'me'; it can only be"
            " requester",
        ),
    ],
)
def test_what_cannot_be_carried_out_is_named(arguments: list[str], sentence: str) -> None:
    result = plan(s3_mirror_config={"bucket_uri": "s3://bucket/m", "s3_sync_args": arguments})
    assert sentence in said(result)


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        (
            {"s3_mirror_config": {"bucket_uri": "s3:///m"}},
            "error: engine_config.s3_mirror_config.bucket_uri: is 's3:///m'; write"
            " s3://bucket/folder or gs://bucket/folder",
        ),
        (
            {"s3_mirror_config": {"bucket_uri": "s3://arn:aws:s3:eu-west-1:1:accesspoint/a/m"}},
            "error: engine_config.s3_mirror_config.bucket_uri: is 's3://arn:aws:s3:eu-west-1:1:accesspoint/a/m';"
            " write the access point's alias, which stands for a bucket's name",
        ),
        (
            {"s3_mirror_config": {"bucket_uri": "s3://anonymous@bucket/m"}},
            "error: engine_config.s3_mirror_config.bucket_uri: is 's3://anonymous@bucket/m'; write the bucket alone,"
            " and --no-sign-request in s3_sync_args if it is public",
        ),
        (
            {"s3_mirror_config": {"extra_files": [{"bucket_uri": "s3://b/x", "destination_path": ""}]}},
            "error: engine_config.s3_mirror_config.extra_files[0].destination_path: is empty; write a directory in"
            " the pod, such as ~/adapters",
        ),
        *(
            (
                {"model_id": name, "gcs_mirror_config": {"bucket_uri": "gs://bucket/m"}},
                f"error: engine_config.model_id: is {name!r}, which cannot name a mirror in the cache; write"
                " organization/model",
            )
            for name in (".hidden", "org/.hidden", "org/", "/m", "org//m")
        ),
        (
            {
                "s3_mirror_config": {
                    "bucket_uri": "s3://bucket/m",
                    "s3_aws_credentials": {"create_aws_credentials_url": "example.org/c"},
                }
            },
            "error: engine_config.s3_mirror_config.s3_aws_credentials.create_aws_credentials_url: is 'example.org/c';"
            " write an address that begins with http:// or https://",
        ),
        (
            {
                "s3_mirror_config": {
                    "bucket_uri": "s3://bucket/m",
                    "s3_aws_credentials": {
                        "create_aws_credentials_url": "https://example.org/c",
                        "auth_token_env_variable": "",
                    },
                }
            },
            "error: engine_config.s3_mirror_config.s3_aws_credentials.auth_token_env_variable: is empty; name the"
            " variable that holds the token, or leave it out",
        ),
        (
            {"s3_mirror_config": {"bucket_uri": "gs://bucket/m", "s3_sync_args": ["--region", "x"]}},
            "warning: engine_config.s3_mirror_config.s3_sync_args: has no effect: it is for s3:// addresses, and there"
            " is none here; leave it out",
        ),
        (
            {"hf_model_id": "s3://bucket/m"},
            "error: engine_config.hf_model_id: is 's3://bucket/m', a bucket; write it as"
            " engine_config.s3_mirror_config.bucket_uri",
        ),
        *(
            (
                {"hf_model_id": source},
                f"error: engine_config.hf_model_id: is {source!r}, neither an id on the Hugging Face Hub"
                " (organization/model) nor an absolute path; write a directory in the pod as /path/to/model",
            )
            for source in ("~/models/m", "./m", "../m", "$HOME/m", "models/llama/7b")
        ),
        (
            {"hf_model_id": "/models/m/model.safetensors"},
            "error: engine_config.hf_model_id: is '/models/m/model.safetensors', a file of weights; name the"
            " directory that holds the model's files",
        ),
        (
            {"hf_model_id": "/models/m"},
            "warning: engine_config.hf_model_id: is '/models/m', a path that cluster_config.modelVolume does not"
            " hold (there is none); the model starts only if the engine image has it",
        ),
        (
            {"hf_model_id": "/models/m", "s3_mirror_config": {"bucket_uri": "s3://bucket/m"}},
            "warning: engine_config.hf_model_id: is '/models/m', which is not read: the mirror is, and it is"
            " cached as 'org/m'",
        ),
    ],
)
def test_a_source_that_cannot_be_found_is_refused_and_a_doubtful_one_is_told(
    engine: dict[str, Any], sentence: str
) -> None:
    assert sentence in said(plan(**engine))


def test_a_path_is_looked_for_on_the_model_s_volume() -> None:
    volume = {"modelVolume": {"claimName": "models", "mountPath": "/models"}}
    assert said(plan(volume, hf_model_id="/models/llama/7b")) == []
    assert said(plan(volume, hf_model_id="/modelsx/m")) == [
        "warning: engine_config.hf_model_id: is '/modelsx/m', a path that cluster_config.modelVolume does not hold"
        " (it is mounted at /models); the model starts only if the engine image has it"
    ]


def test_a_bucket_of_google_s_is_accepted_where_users_write_it() -> None:
    result = plan(s3_mirror_config={"bucket_uri": "gs://bucket/m", "s3_sync_args": ["--no-sign-request"]})
    assert said(result) == []
