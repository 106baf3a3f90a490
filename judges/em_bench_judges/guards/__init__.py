"""Published safety and refusal classifiers in their own formats: how each is asked, and how its answer is read.

One YAML file a format. `format` loads them, `reading` reads answers; the judge is `em_bench_judges.guard`.
"""
