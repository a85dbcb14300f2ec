"""Operations that memory bounds, as a share of what a copy of device memory reaches."""

from measure import BACKEND, median, shown

OPERATIONS = (
    "margin_softmax", "margin_softmax_85742", "l2_scale_forward", "l2_scale_backward", "row_norms", "remove_radial",
    "softmax", "scale_logits", "column_stats", "scaled_bn_backward", "convert_to_bf16", "convert_to_fp32",
    "relu_forward", "relu_forward_bf16", "relu_backward", "relu_backward_bf16", "dropout_forward", "max_pool_forward",
    "max_pool_forward_bf16", "max_pool_backward", "max_pool_backward_bf16", "gather_images", "sgd", "adam", "gradient_norm",
    *(name + suffix for suffix in ("", "_bf16") for name in (
        "batch_norm_stats", "batch_norm_apply", "batch_norm_backward", "prelu_forward", "prelu_backward", "concat_write",
        "average_pool_forward", "average_pool_backward")),
)  # fmt: skip


def per_second(answer):
    return answer["bytes"] / answer["seconds"] / 1e9


def measure(part, sides, sizes):
    """Copies before and after tell whether the card kept its pace."""

    def asked(name):
        return [
            sides.native.ask("bandwidth", operation=name, divisor=sizes.divisor, **BACKEND) for _ in range(sizes.rounds)
        ]

    def copied():
        return [per_second(answer) for answer in asked("copy")]

    sides.warm(part)
    before = copied()
    for name in part.in_time(part.lacking(OPERATIONS), sides.budget):
        with part.case(name):
            part.keep(name, {"answers": asked(name), "copy": median(before)})
    part.notes.append(
        f"Copy of device memory, GB/s: {shown(before, '{:,.0f}'.format)} before, {shown(copied(), '{:,.0f}'.format)} after."
    )
    rows = []
    for name, case in part.cases.items():
        answers, copy = case["value"]["answers"], case["value"]["copy"]
        speeds = [per_second(answer) for answer in answers]
        part.figures[name] = median(speeds) / copy
        micro = [1e6 * answer["seconds"] for answer in answers]
        rows.append([
            name, f"{answers[0]['bytes'] / 1e6:,.0f}", shown(micro, "{:,.1f}".format), f"{median(speeds):,.0f}",
            f"{part.figures[name]:.0%}",
        ])  # fmt: skip
    header = ["operation", "MB, at least", "µs", "GB/s", "of the copy"]
    part.table("Operands larger than the card's cache, in fp32 unless the name says bf16", header, rows)


def run(report, sides, sizes):
    report.run("Bandwidth", lambda part: measure(part, sides, sizes), sides.clocks)
