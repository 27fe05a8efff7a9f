import re
import subprocess
import sys

import pytest

from musicml import cli
from musicml.cli import main
from tests.fixtures.command_output import one_object

COMMANDS = [name.replace("_", "-") for name in main.HELP_ORDER]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_each_command_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as left:
        main.main([command, "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and f"Example: musicml {command}" in out
    assert all(option in out for option in ("--data-root", "--runs")) and ("--json" in out) == (command != "dashboard")


def test_help_names_every_command_and_the_first_steps(capsys):
    with pytest.raises(SystemExit) as left:
        main.main(["--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and "First steps" in " ".join(out.split())
    assert [line.split()[0] for line in out.splitlines() if re.match(r" {4}\w", line)] == COMMANDS


def test_a_new_module_with_add_command_is_listed_after_the_known_commands(monkeypatch, tmp_path):
    (tmp_path / "added_in_a_test.py").write_text("def add_command(commands): commands.add_parser('new')")
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "musicml.cli.added_in_a_test", raising=False)
    names = [module.__name__.rpartition(".")[2] for module in main.find_commands()]
    monkeypatch.delitem(sys.modules, "musicml.cli.added_in_a_test")
    assert names == [*main.HELP_ORDER, "added_in_a_test"]


def test_parsing_imports_only_the_command_and_no_other_room():
    code = f"""import contextlib, io, sys
def list_imports(command):
    for name in [name for name in sys.modules if name.split(".")[0] == "musicml"]:
        del sys.modules[name]
    from musicml.cli import main
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main.parse_arguments([command, "--help"]) if command else main.build_parser()
    names = [name.split(".") for name in sys.modules if name.startswith("musicml.")]
    commands = {{parts[2] for parts in names if parts[1] == "cli" and len(parts) > 2}}
    return commands - {{"launch", "main", "options", "output"}}, {{parts[1] for parts in names}}
found = {{command: list_imports(command) for command in {["", *COMMANDS]}}}
print((found, {{"keras", "tensorflow", "numpy", "scipy", "pandas", "librosa", "streamlit"}} & set(sys.modules)))"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    found, libraries = eval(ended.stdout)
    assert libraries == set() and {frozenset(rooms) for _, rooms in found.values()} == {frozenset({"cli", "utils"})}
    for command in COMMANDS:  # train-all trains each in turn
        needed = {command.replace("-", "_")} | ({"train"} if command == "train-all" else set())
        assert found[command][0] == needed


def test_a_command_is_parsed_alone_as_among_all():
    for command in COMMANDS:
        assert list(get_subparsers(main.build_parser(command))) == [command]
        assert get_help(main.build_parser(command), command) == get_help(main.build_parser(), command)
    for word in (None, "trian", "train_all", "--help", "main"):
        assert list(get_subparsers(main.build_parser(word))) == COMMANDS


def get_subparsers(parser):
    return parser._subparsers._group_actions[0].choices


def get_help(parser, command):
    return get_subparsers(parser)[command].format_help()


def test_an_unknown_command_option_or_word_or_no_command_ends_with_2(capsys):
    for words in ([], ["trian"], ["train", "--seed", "-1", "x"], ["runs", "--rnus", "x"], ["runs", "x"]):
        with pytest.raises(SystemExit) as left:
            main.main(words)
        assert left.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_the_installed_command_predicts_without_importing_keras(started, asked_about_tones, tones):
    process = started("predict", asked_about_tones.path, tones / "low/2.wav", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and one_object(out)["predictions"][0]["label"] == "low" and err == ""
    asked = ["predict", str(asked_about_tones.path), str(tones / "low/2.wav")]
    code = f"""import sys
from musicml.cli import main as cli
for words in (["runs"], ["doctor"], {asked}):
    cli.main(words)
print(sorted({{"keras", "tensorflow", "jax", "librosa"}} & set(sys.modules)))"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert made.stdout.splitlines()[-1] == "[]"


def test_the_environment_sets_the_folders_for_all_commands(musicml, asked_about_tones, monkeypatch):
    monkeypatch.setenv("MUSICML_RUNS", str(asked_about_tones.path.parent))
    code, out, _ = musicml("runs", "--json")
    assert code == 0 and [row["run"] for row in one_object(out)["runs"]] == [str(asked_about_tones.path)]
    monkeypatch.setenv("MUSICML_RUNS", "")
    assert str(asked_about_tones.path) not in musicml("runs", "--json")[1]
