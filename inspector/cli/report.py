"""``inspector report``: everything about a case in one file."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.cli.opening import open_case


@click.command("report")
@click.argument("case_path", metavar="CASE", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="A new file that ends in .html, .pdf or .json.",
)
def report_command(case_path: Path, target: Path) -> None:
    """Write what was seen, concluded and decided in a case, with digests to check it by."""
    from inspector.engine.client.audit_files import audit_document
    from inspector.export.report import (
        check_report_target,
        html_report,
        json_report,
        record_report,
        report_document,
    )
    from inspector.export.single import write_file

    with open_case(case_path) as case:
        check_report_target(case, target)
        document = report_document(case, audit_document(case)["audits"])
        ending = target.suffix.lower()
        if ending == ".json":
            content = json_report(document)
        elif ending == ".html":
            content = html_report(document).encode()
        else:
            from inspector.cli.window import printing_window

            with printing_window():
                from inspector.gui.report_pdf import pdf_report

                content = pdf_report(document)
        digest = write_file(target, content)
        head = document["journal"]["head"]
        record_report(case, target, digest, head)
    click.echo(f"Written: {target}")
    click.echo(f"SHA-256 {digest}")
    click.echo(f"Journal head {head}")
