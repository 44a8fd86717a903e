"""One text of a Kubernetes component's configuration."""

import pytest

from natfix.app.sources.component_config import top_level_text

KUBEADM = b"""\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
clientConnection:
  acceptContentTypes: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
clusterCIDR: 10.244.0.0/16
conntrack:
  maxPerCore: null
kind: KubeProxyConfiguration
"""


def test_what_kubeadm_writes_is_read() -> None:
    assert top_level_text(KUBEADM, "clusterCIDR") == "10.244.0.0/16"


@pytest.mark.parametrize(
    "text",
    [
        'clusterCIDR: "10.244.0.0/16"',
        "clusterCIDR: '10.244.0.0/16'   # pods",
        "clusterCIDR: 10.244.0.0/16 # pods",
        '"clusterCIDR" : 10.244.0.0/16\r',
        '\ufeffclusterCIDR:\t"10.244.0.0/16"',
        'kind: A\n---\nclusterCIDR: ""\n---\nclusterCIDR: 10.244.0.0/16\n',
        '{"kind": "KubeProxyConfiguration", "clusterCIDR": "10.244.0.0/16"}',
    ],
)
def test_a_scalar_is_read_in_every_form(text: str) -> None:
    assert top_level_text(text.encode(), "clusterCIDR") == "10.244.0.0/16"


def test_both_families_stand_in_one_text() -> None:
    assert top_level_text(b"clusterCIDR: 10.244.0.0/16,fd00::/48", "clusterCIDR") == "10.244.0.0/16,fd00::/48"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "clusterCIDR:",
        'clusterCIDR: ""',
        "clusterCIDR: null",
        "clusterCIDR: ~ # not set",
        "clusterCIDR: # 10.244.0.0/16",
        "clusterCIDR:10.244.0.0/16",
        "# clusterCIDR: 10.244.0.0/16",
        "networking:\n  clusterCIDR: 10.244.0.0/16",
        "note: |\n  clusterCIDR: 10.244.0.0/16\n",
        "otherclusterCIDR: 10.244.0.0/16",
        '{"clusterCIDR": 5}',
        '{"clusterCIDR": ',
        "{" + '"a": {' * 100_000,
    ],
)
def test_what_is_not_the_text_says_nothing(text: str) -> None:
    assert top_level_text(text.encode(), "clusterCIDR") == ""
