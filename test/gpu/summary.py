"""summary.md: what lies in a folder of reports, and its measured figures beside the targets."""

import glob
import os

import targets
from report import markdown_table, read, write_file


def figures_of(content):
    """Ratio by name, of all parts."""
    return {name: value for part in content["parts"] for name, value in part["figures"].items()}


def write_summary(folder, environment, identity, mark):
    """Only reports of this identity count: ratios of two cards, or of two versions, are no one run's."""
    rows, figures = [], {}
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        content, name = read(path), os.path.splitext(os.path.basename(path))[0]
        if content is None:
            continue
        belongs = content["identity"] == identity
        unfinished = [part["name"] for part in content["parts"] if not part["finished"]]
        state = ", ".join(unfinished) if belongs else f"counts as none: of {content['environment'].get('sources', '?')}"
        rows.append([name, content["summary"], f"{sum(part['seconds'] for part in content['parts']):.0f}", state])
        if belongs:
            figures[name] = figures_of(content)
    lines = ["# The check on a GPU", "", *([f"**{mark}**", ""] if mark else [])]
    lines += [f"- {key}: {value}" for key, value in environment.items()]
    lines += ["", *markdown_table({"header": ["report", "", "seconds", "not finished"], "rows": rows})]
    lines += ["", "## Targets", "", *markdown_table(targets.table(figures)), ""]
    write_file(os.path.join(folder, "summary.md"), "\n".join(lines))
