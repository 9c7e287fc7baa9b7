"""Names that are part of the API: the group, its kinds, labels, annotations and field managers."""

GROUP = "rayllm.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

LLM_MODEL = "LLMModel"
LLM_MODELS = "llmmodels"
GPU_NODE_POOL = "GPUNodePool"
GPU_NODE_POOLS = "gpunodepools"
OPERATOR_CONFIGURATION = "OperatorConfiguration"

FIELD_MANAGER = "rayllm-operator"
"""Field manager of every child that the operator applies."""

STATUS_FIELD_MANAGER = "rayllm-operator-status"
"""Field manager of status; one name for each apply site, or two applies would revert each other."""

LABEL_MODEL = f"{GROUP}/model"
"""On every child and pod: the LLMModel's name."""

LABEL_POOL = f"{GROUP}/pool"
"""On worker pods: the GPUNodePool they belong to."""

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"

ANNOTATION_PAUSED = f"{GROUP}/paused"
"""On an LLMModel, ``"true"``: the operator writes nothing but where the model's Service points."""

ANNOTATION_RESTARTED_AT = f"{GROUP}/restartedAt"
"""On an LLMModel, any text: changing it asks for a rolling restart."""

ANNOTATION_ADOPT = f"{GROUP}/adopt"
"""On an LLMModel, ``"true"``: take over an existing RayService of the same name."""

ANNOTATION_RENDER_REVISION = f"{GROUP}/render-revision"
"""On a RayService: the revision of the renderer that made it."""

ANNOTATION_GENERATION = f"{GROUP}/model-generation"
"""On a RayService and a Service: the generation of the LLMModel's spec that it was rendered from."""

ANNOTATION_INTENT = f"{GROUP}/intent"
"""On every child: a digest of the whole manifest that was applied last."""

ANNOTATION_ENGINE_IMAGE = f"{GROUP}/engine-image"
"""On a RayService: the engine image that the model keeps until its own spec changes."""

ANNOTATION_CLUSTER = f"{GROUP}/cluster"
"""On a RayService: digests of what KubeRay would build a new Ray cluster for, as JSON."""

ANNOTATION_CODE = f"{GROUP}/code"
"""On the head's pod, with ``upgrade.type: NewCluster``: a digest of what replicas are replaced for."""

MAX_NAME_LENGTH = 47
"""Longest name of an LLMModel: KubeRay derives a RayCluster name of at most 53 characters from it."""

NAME_TOO_LONG = f"has more than the {MAX_NAME_LENGTH} characters that KubeRay allows"
"""What a longer name is told, after the name itself."""

DNS_1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
"""Regular expression of a whole LLMModel name: a Service is named after it."""

DNS_1035_EXPLAINED = (
    "is no DNS-1035 label: lower-case letters, digits and '-', "
    "starting with a letter and ending with a letter or digit"
)
"""What a name that the expression refuses is told, after the name itself."""
