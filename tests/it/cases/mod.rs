//! Recorded cases (`tests/cases/README.md`): a configuration, what is fed to the router, and what
//! must arrive at CloudWatch Logs. A test for each folder, so that a failure names it.

mod client;
mod compare;
mod events;
mod format;
mod json;
mod run;

use std::collections::BTreeSet;

/// A test for each case; `_` in a name stands for `-` in that of the folder.
macro_rules! cases {
    ($($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                run::check(&folder_name(stringify!($case))).await;
            }
        )*

        const CASES: &[&str] = &[$(stringify!($case)),*];
    };
}

cases! {
    aws_adot
    aws_emf_over_tcp
    aws_health_check_output_metrics
    aws_health_check_tcp
    aws_health_check_uptime
    aws_oomkill_filesystem
    aws_oomkill_filesystem_tcp
    aws_oomkill_memory
    aws_splitting_log_streams
    conf_bad_bool
    conf_bad_regex
    conf_bad_retry_limit
    conf_crlf
    conf_duplicate_option
    conf_empty
    conf_env_after_brace
    conf_env_default
    conf_env_secret
    conf_env_unset_key
    conf_include
    conf_include_glob
    conf_include_glob_none
    conf_include_missing
    conf_include_twice
    conf_long_value
    conf_no_name
    conf_parser_missing
    conf_parsers_missing_file
    conf_quotes
    conf_retry_limit_words
    conf_set_env
    conf_stream_both
    conf_stream_none
    conf_unknown_filter_option
    conf_unknown_option
    cw_big_300k
    cw_big_cut_in_escape
    cw_big_quotes
    cw_bin
    cw_class_bad
    cw_control_chars
    cw_empty_record
    cw_escape_unicode_off
    cw_float_precision
    cw_forbidden_tag
    cw_format_emf
    cw_format_other
    cw_go_format_emf
    cw_go_json
    cw_go_log_key
    cw_go_new_group
    cw_go_no_end
    cw_go_no_task
    cw_go_odd_options
    cw_go_shared_fields
    cw_go_stream_both
    cw_go_stream_none
    cw_go_task
    cw_go_task_ec2
    cw_go_templates
    cw_go_truncated
    cw_group_forbidden
    cw_invalid_utf8_overlong
    cw_log_key
    cw_log_key_duplicate
    cw_log_key_map
    cw_log_key_nested
    cw_log_key_numbers
    cw_long_tag
    cw_many_small
    cw_nan_to_null
    cw_no_create_group
    cw_numbers
    cw_out_of_order
    cw_prefix_tags
    cw_profile
    cw_retention
    cw_stream_name
    cw_template_fixed_name
    cw_template_odd_values
    cw_templates_interleaved
    cw_time_float
    cw_two_outputs_log_key
    cw_workers
    dummy
    exec
    firelens_bridge
    firelens_default
    firelens_dup_container_names
    firelens_external
    firelens_external_only
    firelens_null
    firelens_pattern_agent_test
    firelens_pattern_no_log
    firelens_task_tag
    firelens_two_outputs_one_container
    firelens_unmatched
    fw_ack
    fw_forward
    fw_gzip
    fw_heartbeat
    fw_many_connections
    fw_message
    fw_tag_options
    fw_unix
    fw_unix_and_tcp
    grep_all_dropped
    grep_dotted_key
    grep_non_string
    grep_or
    grep_regex
    grep_subkey_of_text
    grep_two_exclude
    grep_two_regex
    http_errors
    http_form
    http_json
    http_ndjson
    http_tag
    lua_code
    lua_error
    lua_nil_key
    lua_split
    lua_time_table
    lua_timestamp
    match_both
    match_filters
    match_none
    match_wildcards
    ml_buffer_off
    ml_custom
    ml_docker
    ml_go
    ml_interleaved_tags
    ml_java
    ml_missing_parser
    ml_no_key
    ml_no_parser
    ml_other_keys
    ml_partial
    ml_partial_bool
    ml_partial_id_prefix
    ml_partial_interleaved
    ml_partial_no_end
    ml_partial_short_keys
    ml_several_builtin
    ml_start_with_date
    mod_bad_condition
    mod_conditions_and
    mod_copy
    mod_move
    mod_remove
    mod_rule_order
    mod_set_add
    nest_add_prefix
    nest_bad
    nest_then_lift
    nest_wildcard
    order_grep_modify
    order_parser_nest
    parser_bad_format
    parser_decode_field_as
    parser_duplicate_name
    parser_envoy
    parser_json_duplicate_keys
    parser_json_escapes
    parser_json_reserve
    parser_json_time
    parser_json_time_keep
    parser_json_trailing_text
    parser_nested_key
    parser_one_missing
    parser_regex_apache
    parser_regex_types
    parser_time_no_year
    parser_time_strict
    rm_allow_and_remove
    rm_order
    rm_record
    rm_remove_key
    rt_bad_rule
    rt_captures
    rt_keep
    rt_nested_and_missing
    rt_split_streams
    rt_tag_parts
    svc_endpoints
    svc_filter_stdout
    svc_flush_fraction
    svc_grace_flush
    svc_health_check
    svc_health_errors
    svc_log_file
    svc_metrics_v2
    svc_stdout_default
    svc_stdout_json
    svc_uptime_body
    tail_crlf_empty
    tail_docker_file
    tail_long_lines
    tail_multiline
    tail_parser
    tail_wildcard_tag
    tc_basic
    tc_nested
    tcp_json
    tcp_json_bad
    tcp_none
    tcp_none_empty_line
    tcp_none_nul
    tcp_none_separator
    tcp_parser
    two_inputs_tags
    yaml_basic
    yaml_classic_include
    yaml_flow_style
    yaml_include_missing
    yaml_includes
    yaml_multiline_parsers
    yaml_parsers
    yaml_parsers_file
    yaml_parsers_file_classic
    yaml_processors
    yaml_processors_sql_condition
    yaml_unknown_key
    yaml_unknown_option
}

fn folder_name(case: &str) -> String {
    case.replace('_', "-")
}

#[test]
fn every_folder_has_its_test() {
    let folders = std::fs::read_dir(format::folder()).unwrap().map(Result::unwrap);
    let folders = folders.filter(|entry| entry.path().is_dir());
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let tests = CASES.iter().map(|case| folder_name(case)).collect();
    assert_eq!(folders, tests);
}
