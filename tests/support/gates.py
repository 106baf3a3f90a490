"""The gate under the policy that `em-bench gate init` writes."""

import yaml

from em_bench.compare.comparison import compare
from em_bench.compare.gate import gate
from em_bench.compare.policy import parse_policy
from em_bench.compare.policy_file import INITIAL

INITIAL_POLICY = parse_policy(yaml.safe_load(INITIAL), "policy")


def verdict(before, after, rules=INITIAL_POLICY):
    return gate(compare(before, after, confidence=rules.confidence), rules)
