"""Errors, files, terminal output, checked settings, parallel processing and translated messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.utils.lazy import export_lazily

if TYPE_CHECKING:
    from musicml.utils.cluster import LOST_JOB, LostClusterError, connect_cluster, count_workers, get_client
    from musicml.utils.cluster_worker import get_versions_of_process, is_on_worker
    from musicml.utils.errors import InputError, get_message, make_printable, make_readable, suggest_names
    from musicml.utils.files import (
        compute_digest,
        count_endings,
        describe_os_error,
        drop_invisible,
        escape_csv_formula,
        find_existing_folder,
        os_error_to_input_error,
        parse_json,
        read_csv,
        read_json,
        read_small_file,
        write_atomically,
        write_bytes,
        write_csv,
        write_json,
        write_text,
    )
    from musicml.utils.locks import hold_lock, is_locked
    from musicml.utils.messages import (
        COMMA_LANGUAGES,
        Message,
        add_messages,
        format_number,
        join_messages,
        pluralize,
        replace_in_message,
        restore_messages,
        translate,
    )
    from musicml.utils.parallel import count_processes, has_exited, map_in_processes
    from musicml.utils.progress import ByteProgress, format_megabytes, make_progress_bar
    from musicml.utils.schema import define_option, get_field_types, is_of_type, parse_options, to_dict
    from musicml.utils.stats import compute_wilson_interval
    from musicml.utils.tables import make_data_frame
    from musicml.utils.terminal import (
        PlainOutput,
        capture_messages,
        choose_backend,
        get_log_prefix,
        has_progress_bars,
        import_keras,
        keras,
        print_message,
        replace_controls,
        set_log_prefix,
        show_messages,
        suppress_stderr,
    )
    from musicml.utils.texts import TextMap, Texts

__getattr__, __dir__, __all__ = export_lazily(__name__)
