"""What a step's pod may reach on each cluster. Policies add up, so all of an overlay's count."""

import ipaddress
from pathlib import Path

import pytest
import yaml
from coralline.images import COMPONENTS
from coralline_crawler.addresses import is_public
from hypothesis import given
from hypothesis import strategies as st

K8S = Path(__file__).parents[2] / "k8s"
METADATA = {("169.254.169.252", 988), ("169.254.169.254", 80)}
LINK_LOCAL = {"kind": set(), "cloud/eks": set(), "cloud/gke": METADATA | {("169.254.20.10", 53)}}
"""What is reached on each cluster though it is not public."""


def policies(folder):
    """The network policies that `kubectl apply --kustomize` of a folder applies."""
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        if (folder / name).is_dir():
            yield from policies(folder / name)
        else:
            resources = yaml.safe_load_all((folder / name).read_text())
            yield from (one["spec"] for one in resources if one["kind"] == "NetworkPolicy")


OVERLAYS = {name: list(policies(K8S / "overlays" / name)) for name in LINK_LOCAL}


def within(address, block):
    """Whether an `ipBlock` holds an address; IPv6 ones hold none of IPv4."""
    inside = address in ipaddress.ip_network(block["cidr"])
    return inside and not any(address in ipaddress.ip_network(one) for one in block["except"])


def reaches(overlay, component, address, port):
    """Whether a step's pod may connect by TCP to an address that is no pod's."""
    labels = {"app.kubernetes.io/name": "coralline", "app.kubernetes.io/component": component}
    ip = ipaddress.ip_address(address)
    for policy in OVERLAYS[overlay]:
        assert set(policy["podSelector"]) <= {"matchLabels"}  # all that this reads
        if not policy["podSelector"].get("matchLabels", {}).items() <= labels.items():
            continue
        for rule in policy.get("egress", []):
            ports = [one for one in rule["ports"] if one["protocol"] == "TCP"]
            blocks = [to["ipBlock"] for to in rule["to"] if "ipBlock" in to]
            if any(one["port"] <= port <= one.get("endPort", one["port"]) for one in ports) and any(
                within(ip, {"except": [], **block}) for block in blocks
            ):
                return True
    return False


PRIVATE = """
    0.0.0.1 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.252 169.254.169.254 169.254.20.10 172.31.0.1
    192.0.0.8 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.1.1.1 240.0.0.1
    ::1 64:ff9b::a00:1 2001::1 2001:db8::1 2002:a00:1:: fd00::1 fe80::1
"""
ADDRESSES = st.ip_addresses().map(str) | st.sampled_from(PRIVATE.split())
PORTS = st.sampled_from([53, 80, 443, 988]) | st.integers(1, 65535)


@pytest.mark.parametrize("overlay", OVERLAYS)
@given(component=st.sampled_from([*COMPONENTS.values(), "reviewer"]), address=ADDRESSES, port=PORTS)
def test_no_step_reaches_an_address_that_is_not_public(overlay, component, address, port):
    if reaches(overlay, component, address, port):
        assert is_public(address) or (address, port) in LINK_LOCAL[overlay]


@pytest.mark.parametrize("overlay", OVERLAYS)
@given(address=ADDRESSES.filter(is_public), port=PORTS)
def test_of_the_web_steps_other_than_the_crawler_reach_at_most_tls(overlay, address, port):
    web = overlay.startswith("cloud") and port == 443 and reaches(overlay, "crawler", address, port)
    assert reaches(overlay, "trainer", address, port) == web


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("port", [80, 443, 8080])
@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111"])
def test_the_crawler_reaches_the_web(overlay, address, port):
    assert reaches(overlay, "crawler", address, port)


@pytest.mark.parametrize("component", COMPONENTS.values())
def test_every_step_gets_the_token_with_which_it_opens_the_bucket_on_gke(component):
    assert all(reaches("cloud/gke", component, *server) for server in METADATA)
