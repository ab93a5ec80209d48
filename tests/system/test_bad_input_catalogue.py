"""Every kind of bad input that Reprise promises an answer to, what that answer is, and the tests that show it."""
import collections
import re
import unittest

from stack import ROOT

# A number, the input and its answer; below it the tests, each as file.test or file.suite.test. A retry is sent unless
# something else is said. "Closed" means that the connection ends after the answer.
TABLE = """
1 no body, no Content-Length: 202
    bad_input_bodies.test_a_retry_needs_no_body
2 {} and an empty reason: 202; a reason that is null: 400
    bad_input_bodies.test_a_retry_needs_no_body
    bad_input_bodies.test_a_reason_that_is_no_text_and_a_body_that_is_no_object_are_refused
3 a reason that is a number, a list, an object: 400 invalid_body
    bad_input_bodies.test_a_reason_that_is_no_text_and_a_body_that_is_no_object_are_refused
4 a root that is a list, a text, null, a number: 400 invalid_body
    bad_input_bodies.test_a_reason_that_is_no_text_and_a_body_that_is_no_object_are_refused
    requests.test_400_says_what_is_wrong_with_the_body
5 unknown fields, mass assignment: 202, and nothing is changed by them
    bad_input_bodies.test_fields_that_nobody_knows_change_nothing
6 a key twice: 400 duplicate_field
    requests.test_400_says_what_is_wrong_with_the_body
7 a reason of 1,001 characters: 400 reason_too_long
    bad_input_bodies.test_the_length_of_a_reason_is_counted_in_characters
8 a reason with NUL: 400; with other control characters: 202, escaped wherever it is shown
    bad_input_bodies.test_hostile_text_stays_text
    bad_input_bodies.test_a_log_line_stays_a_line_whatever_callers_send
    bad_input_bodies.test_a_terminal_is_not_driven_by_what_it_shows
9 what is not UTF-8, half a surrogate pair, a byte order mark, UTF-16: 400 invalid_encoding
    bad_input_bodies.test_what_is_not_utf_8_is_refused
    bad_input_bodies.test_half_a_surrogate_pair_is_refused_whichever_half
    requests.test_400_says_what_is_wrong_with_the_body
10 right-to-left overrides, joiners, floods of accents: 202, kept as they are
    bad_input_bodies.test_hostile_text_stays_text
11 markup, templates, SQL, shell, formats, line ends: 202, inert everywhere
    bad_input_bodies.test_hostile_text_stays_text
    bad_input_bodies.test_a_log_line_stays_a_line_whatever_callers_send
12 17 levels, a million brackets: 400 too_deep, no memory
    bad_input_bodies.test_depth_is_bounded_however_deep
13 numbers that are none or over all bounds: 400
    bad_input_bodies.test_numbers_of_any_kind_do_no_harm
14 trailing commas, comments, single quotes, more than one value: 400
    bad_input_bodies.test_what_is_nearly_json_is_refused
    bad_input_bodies.test_nothing_may_follow_the_object_behind_a_nul_either
15 half a JSON object: 400
    bad_input_bodies.test_what_is_nearly_json_is_refused
16 16 KiB and a byte, 10 GB announced, chunks without end: 413 before all of it is read, closed
    bad_input_bodies.test_the_limit_of_a_body_is_exact
    bad_input_bodies.test_a_body_that_says_it_is_huge_is_refused_before_it_comes
    bad_input_bodies.test_a_body_without_an_end_is_refused_and_read_no_further
    requests.test_a_client_that_sends_far_too_much_still_hears_why
17 more than Content-Length says: the next request; 400 and closed if it is none
    bad_input_framing.test_more_than_the_stated_length_is_the_next_request
18 less than Content-Length says, then silence: 408 after 30 s, closed
    bad_input_slow.test_each_is_given_up_at_its_deadline_and_the_others_notice_nothing
19 a Content-Length that is not one number: 400, closed; blanks around it are no part of it
    bad_input_framing.test_a_length_that_is_not_one_number_is_refused
    bad_input_framing.test_blanks_around_a_value_are_no_part_of_it
20 Content-Length and Transfer-Encoding: 400, closed
    bad_input_framing.test_a_length_and_a_coding_contradict_each_other
21 a Transfer-Encoding that is not just chunked, once: 400 or 501, closed; blanks around it are no part of it
    bad_input_framing.test_the_only_coding_is_chunked_alone_and_once
    bad_input_framing.test_blanks_around_a_value_are_no_part_of_it
22 chunks in HTTP/1.0: 400, closed
    bad_input_framing.test_the_only_coding_is_chunked_alone_and_once
23 malformed chunks, an extension of 1 MB: 400, closed; bare line feeds: 408, closed
    bad_input_framing.test_chunks_that_are_malformed_are_refused
    bad_input_framing.test_a_chunk_has_no_room_for_a_megabyte_of_extension
    bad_input_slow.test_each_is_given_up_at_its_deadline_and_the_others_notice_nothing
24 trailers: 400, closed, never honoured
    bad_input_framing.test_trailers_are_never_honoured
25 chunks of one byte: a body like any other; one byte a second: 408
    bad_input_slow.test_chunks_of_one_byte_are_a_body_like_any_other
    bad_input_slow.test_each_is_given_up_at_its_deadline_and_the_others_notice_nothing
26 a Content-Encoding: 415, nothing is unpacked
    bad_input_bodies.test_a_compressed_body_is_not_unpacked
27 a body of another type, or of none: 415
    bad_input_bodies.test_a_body_of_another_type_is_refused
28 an Accept of something else: JSON all the same
    bad_input_bodies.test_json_is_answered_whatever_the_caller_would_rather_have
29 a run that is not there: 404 run_not_found
    retry_answers.test_404_does_not_tell_an_unknown_run_from_another_organisations
30 another organisation's run: the same 404, by the same calls of Redis
    bad_input_targets.test_an_unknown_run_and_another_organisations_are_the_same_to_a_stranger
    bad_input_targets.test_an_unknown_run_and_another_organisations_cost_the_same_calls_of_redis
31 an id that is none: 404, asked of nobody; one that is no ASCII, or too long: 400 or 414
    bad_input_targets.test_an_id_that_is_none_is_no_run_and_is_asked_of_nobody
    bad_input_targets.test_an_id_that_is_missing_or_endless_is_refused
32 another spelling of id or path: 404, nothing is normalised
    bad_input_targets.test_a_run_has_one_spelling
33 an id that is encoded twice: 404
    bad_input_targets.test_an_id_that_is_none_is_no_run_and_is_asked_of_nobody
34 a target that is a URL, an authority or *: 400, closed
    bad_input_targets.test_a_target_that_is_no_path_is_refused
35 a fragment, a blank, bytes that are no ASCII, 8 kB of query: 400 or 414, closed
    bad_input_targets.test_a_target_that_is_no_path_is_refused
    bad_input_targets.test_an_id_that_is_missing_or_endless_is_refused
    bad_input_targets.test_a_query_is_ignored_where_none_is_known
36 unknown query parameters: ignored; a key among them: 400
    bad_input_targets.test_a_query_is_ignored_where_none_is_known
    bad_input_targets.test_a_key_in_the_query_is_no_key
    bad_input_targets.test_a_key_in_the_query_is_refused_beside_a_good_one
37 PUT, DELETE, PATCH: 405 with Allow; GET tells what POST would answer
    bad_input_targets.test_other_methods_are_told_which_there_are
    requests.test_405_names_what_the_path_takes
38 a preflight from a foreign origin: 204 without leave
    bad_input_targets.test_a_foreign_page_gets_no_leave
39 methods that are unknown, long, lower case or none: 405, 400, 431 or 501
    bad_input_targets.test_other_methods_are_told_which_there_are
    bad_input_targets.test_a_method_is_no_way_around_the_key
40 another protocol, or noise: 400 or 505 at once, closed
    bad_input_framing.test_other_protocols_are_told_so_at_once
    bad_input_framing.test_what_does_not_begin_with_a_method_is_no_request
    bad_input_framing.test_whoever_speaks_no_http_fills_no_log
41 no Host, two, or one that is none: 400, closed
    bad_input_targets.test_a_request_has_one_host
    bad_input_targets.test_a_host_that_is_none_is_refused
    bad_input_targets.test_hosts_of_every_sound_kind_are_served
42 header lines that are malformed, folded, too long or too many: 400 or 431, closed
    bad_input_framing.test_header_lines_that_are_malformed_are_refused
    bad_input_framing.test_a_value_goes_on_on_no_second_line
    bad_input_framing.test_headers_that_are_too_large_are_refused
43 an Authorization that holds no key, or two: 401 with WWW-Authenticate; 64 kB of it: 431
    bad_input_keys.test_what_is_no_bearer_key_is_refused_in_one_way
    bad_input_keys.test_two_keys_are_none
    bad_input_keys.test_a_key_of_64_kb_is_too_long_for_a_header
44 a key that is wrong, expired or revoked: the same 401; an organisation whose plan is not active: 402
    bad_input_keys.test_a_key_that_is_nearly_right_is_as_wrong_as_any
    retry_answers.test_402_when_the_plan_is_not_active
45 a key without the scope: 403 insufficient_scope
    bad_input_keys.test_a_key_without_the_scope_does_nothing
    retry_answers.test_403_without_the_scope_even_for_a_run_that_is_not_there
46 wrong keys by the thousand: 429 with Retry-After, no work for Redis
    bad_input_keys.test_who_guesses_keys_is_slowed_down_and_costs_redis_nothing
    bad_input_keys.test_who_guessed_keys_is_heard_again_soon
47 a quota that is used up: 402 quota_exceeded, no run
    bad_input_state.test_a_used_up_quota_is_said_and_makes_no_run
    retry_answers.test_402_when_the_quota_of_the_month_is_used_up
48 a source that has not ended: 202, and each run has its own lease
    bad_input_state.test_a_retry_of_what_has_not_ended_is_another_run_with_a_lease_of_its_own
    replays.test_a_run_may_be_retried_while_it_is_queued_and_after_it_was_canceled
49 a source whose inputs were never retained: 422 inputs_not_retained
    bad_input_state.test_a_run_that_retained_nothing_cannot_be_retried
50 a blob that is gone, of another size, or no file: 422 inputs_not_retained; of other bytes: the run, inputs_corrupt
    bad_input_state.test_what_is_no_blob_of_the_right_size_is_not_retained
    bad_input_state.test_the_worker_takes_no_input_that_is_not_what_was_retained
51 retention that ends between acceptance and run: what is accepted is held; if it is gone, inputs_corrupt
    bad_input_state.test_what_is_accepted_is_held_for_as_long_as_it_may_wait
    bad_input_state.test_the_worker_takes_no_input_that_is_not_what_was_retained
52 a blob store that is away or slow: 503 with Retry-After, in bounded time
    bad_input_state.test_a_store_that_cannot_be_looked_at_is_an_outage_and_no_loss
    bad_input_state.test_a_store_that_is_slow_is_waited_for_and_then_given_up
    retry_answers.test_503_and_not_422_when_the_store_is_not_mounted
53 the 51st retry of a line: 202, there is no cap
    bad_input_state.test_fifty_one_retries_of_retries_are_one_line
54 an Idempotency-Key that cannot be used: 400
    bad_input_headers.test_a_key_that_cannot_be_used_is_refused
    bad_input_headers.test_a_key_of_255_characters_is_one_key_quoted_or_not
55 the same key and body, a hundred at once: one run
    bad_input_headers.test_a_hundred_requests_at_once_with_one_key_make_one_run
    replays.test_the_same_idempotency_key_answers_with_the_same_run
56 the same key with another body or run: 409 idempotency_key_reused
    bad_input_headers.test_a_key_stands_for_one_body_and_one_run
57 the same key of another user or organisation: another key
    bad_input_headers.test_a_key_is_its_callers_own
58 the same key after the API was killed: one run
    bad_input_headers.test_a_call_whose_api_died_before_it_answered_is_replayed_by_another
    bad_input_headers.test_calls_of_apis_that_were_killed_at_any_moment_are_one_run_each
59 a traceparent that is none, or two: ignored, a new trace
    bad_input_headers.test_a_trace_that_is_none_is_ignored
60 an X-Request-Id that is none: replaced by ours; a sound one is kept
    bad_input_headers.test_a_request_id_that_is_none_is_replaced_by_ours
    bad_input_headers.test_a_sound_request_id_is_kept
61 a Prefer that is not understood: ignored; an endless wait: capped
    bad_input_headers.test_a_preference_that_is_not_understood_is_ignored
    bad_input_headers.test_an_endless_wait_is_capped_and_ends_with_its_caller
62 an Expect and then no body: 408; another Expect: 417
    bad_input_slow.test_each_is_given_up_at_its_deadline_and_the_others_notice_nothing
    bad_input_headers.test_an_expectation_is_met_or_refused
    bad_input_headers.test_two_expectations_are_both_looked_at
    bad_input_headers.test_who_will_be_refused_is_not_told_to_go_on
    bad_input_headers.test_who_speaks_http_1_0_is_not_told_to_go_on
63 Connection and Upgrade of every kind: no other protocol
    bad_input_connections.test_no_other_protocol_is_changed_to
    bad_input_connections.test_a_connection_lasts_as_long_as_was_asked_for
64 a hundred retries in one packet, half a connection: all are answered, in order
    bad_input_connections.test_a_hundred_retries_in_one_packet_are_answered_in_order
    bad_input_connections.test_who_says_that_nothing_follows_hears_all_answers
    bad_input_connections.test_pipelining_without_reading_takes_no_memory
65 a connection that is reset after the request: one run at most, nothing left
    bad_input_connections.test_who_breaks_off_after_sending_has_made_one_run_at_most
    bad_input_connections.test_who_breaks_off_anywhere_leaves_nothing
66 slow headers, slow bodies, slow readers: 408 or the end of the connection; others notice nothing
    bad_input_slow.test_each_is_given_up_at_its_deadline_and_the_others_notice_nothing
67 10,000 idle connections: capped by address and in all, and all given up again
    bad_input_connections.test_ten_thousand_idle_connections_take_no_room_from_others
68 If-None-Match of every kind: 304 or 200, never a mistake
    bad_input_reads.test_a_condition_is_compared_and_never_a_mistake
69 a limit, cursor or filter of a list that is none: 400
    bad_input_reads.test_limits_that_are_none_are_refused
    bad_input_reads.test_cursors_that_were_not_given_out_are_refused
    bad_input_reads.test_a_cursor_that_was_changed_or_is_another_lists_is_refused
    bad_input_reads.test_filters_that_are_none_are_refused_and_foreign_ones_find_nothing
70 a Last-Event-ID that was never told: from the beginning; 1 MB of it: 431; another organisation's run: 404
    bad_input_reads.test_an_event_id_that_was_never_told_begins_at_the_beginning
    bad_input_reads.test_another_organisations_events_are_nobodys
71 the key of an artifact that is a path: 404; of 4 kB: 414; a link in a blob's place: not followed
    bad_input_reads.test_a_key_is_looked_up_and_never_a_path
    bad_input_reads.test_a_link_in_a_blobs_place_is_not_followed
72 ranges: one part, the whole, or 416
    bad_input_reads.test_ranges_are_one_part_or_the_whole_and_never_more
    bad_input_reads.test_a_part_of_other_bytes_than_those_known_is_not_sent
    requests.test_download_answers_ranges
73 a document that is none: the run fails in validate_spec; one over 16 MiB: 413; one that is not UTF-8: 400
    bad_input_documents.test_a_document_that_is_too_large_or_no_text_is_not_retained
    bad_input_documents.test_odd_documents_end_as_they_should_and_leave_the_worker_as_it_was
    bad_documents.test_each_bad_document_fails_in_validate_spec_with_a_code_and_a_reason
74 bombs, cycles, nesting, keys twice, tags that make objects: spec_too_large or spec_unreadable, no memory
    bad_documents.test_each_bad_document_fails_in_validate_spec_with_a_code_and_a_reason
    openapi_test.ReadDocument.AnAliasBombIsRefusedWithoutGrowing
75 references out of the document: spec_remote_ref, and nothing is fetched; any number within: checked in bounded time
    bad_input_documents.test_no_reference_is_ever_fetched
    bad_input_documents.test_odd_documents_end_as_they_should_and_leave_the_worker_as_it_was
76 names that are code to a generator: what is made compiles or the step fails, and stays in its directory
    bad_input_documents.test_each_step_has_ended_well_or_says_why_not
    bad_input_documents.test_the_python_that_was_made_compiles_or_its_step_failed
    bad_input_documents.test_the_typescript_that_was_made_compiles_or_its_step_failed
    bad_input_documents.test_nothing_left_the_host_and_nothing_its_directory
77 texts and patterns that are code to a generator or a browser: inert
    bad_input_documents.test_the_page_of_the_docs_runs_nothing_of_it
    bad_input_documents.test_the_typescript_that_was_made_compiles_or_its_step_failed
    bad_input_documents.test_odd_documents_end_as_they_should_and_leave_the_worker_as_it_was
78 a configuration that is none: config_unreadable; anything else is data, and no argument or path
    bad_input_documents.test_odd_configurations_fail_or_are_data_and_nothing_else
79 commands that leave nothing or too much, breed, ignore signals, look around: the step fails, nothing is left
    bad_input_commands.test_what_is_no_artifact_fails_the_step_and_hangs_nobody
    bad_input_commands.test_an_archive_holds_plain_files_and_their_names_stay_below_it
    bad_input_commands.test_a_command_finds_no_secret_of_the_worker
    bad_generators.test_one_that_floods_is_ended_quickly
    bad_generators.test_children_in_sessions_of_their_own_that_ignore_term_go_with_it
    bad_generators.test_one_that_grows_over_its_memory_is_ended
80 tickets made by hand: passed over, the worker lives
    bad_input_state.test_none_of_them_is_a_run_and_the_worker_lives
    work_test.Work.TicketsMadeByHandHarmNobody
81 a run's hash changed by hand: internal_error for that run, reported by doctor
    bad_input_records.test_a_status_that_is_none_is_an_error_of_that_run
    bad_input_records.test_a_record_that_makes_no_sense_is_reported
    bad_input_records.test_a_record_without_a_status_is_broken_and_still_a_run
    bad_input_records.test_a_record_whose_json_is_none_is_reported
    bad_input_records.test_one_broken_run_does_not_hide_the_others
    bad_input_records.test_numbers_that_are_none_do_no_harm
    bad_input_records.test_json_that_is_none_is_never_part_of_an_answer
    bad_input_records.test_a_nul_in_json_does_not_end_the_api
82 replies of Redis of another shape, malformed or endless: an error of that call, the connection is made anew
    bad_input_redis.test_a_reply_of_another_shape_is_an_error_of_that_call
    bad_input_redis.test_what_is_no_reply_costs_the_connection_and_no_more
    bad_input_redis.test_a_reply_without_an_end_is_not_kept
    redis_test.ReplyReader.BrokenOrEndlessRepliesAreErrors
83 settings that make no sense: the program ends with 78 and names the setting
    bad_input_settings.test_a_value_that_makes_no_sense_is_refused_by_name
    bad_input_settings.test_a_value_of_the_wrong_kind_is_refused_by_name
    bad_input_settings.test_a_setting_that_is_none_or_there_twice_is_refused
    bad_input_settings.test_a_flag_counts_more_than_the_environment
    bad_input_settings.test_a_password_that_everyone_can_read_is_refused
84 times that are far off, of callers or of tickets: no effect on leases
    bad_input_state.test_no_time_that_a_caller_or_a_ticket_says_moves_a_lease
    bad_input_state.test_a_ticket_from_the_year_9999_holds_up_nobody
"""


def read_table():
    """number: (input and answer, tests)."""
    rows = collections.OrderedDict()
    for line in TABLE.strip().splitlines():
        if line.startswith("    "):
            next(reversed(rows.values()))[1].append(line.strip())
        else:
            number, _, text = line.partition(" ")
            assert int(number) not in rows, f"{number} is there twice"
            rows[int(number)] = (text, [])
    return rows


def exists(test):
    file, *names = test.split(".")
    if len(names) == 1:
        text = (ROOT / f"tests/system/test_{file}.py").read_text()
        return re.search(rf"^    def {names[0]}\(self\):", text, re.M)
    text = next((ROOT / "tests").glob(f"*/{file}.cpp")).read_text()
    return re.search(rf"^TEST(_F)?\({names[0]}, {names[1]}\)", text, re.M)


class Catalogue(unittest.TestCase):
    def test_all_84_kinds_are_in_it_in_order(self):
        self.assertEqual(list(read_table()), list(range(1, 85)))

    def test_each_kind_is_shown_by_tests_that_exist(self):
        for number, (text, tests) in read_table().items():
            with self.subTest(number=number, text=text):
                self.assertTrue(tests, "shown nowhere")
                for test in tests:
                    self.assertTrue(exists(test), test)

    def test_every_test_of_bad_input_stands_in_it_or_beside_one_that_does(self):
        files = {test.split(".")[0] for _, tests in read_table().values() for test in tests}
        written = {path.stem[len("test_"):]
                   for path in (ROOT / "tests/system").glob("test_bad_input_*.py")} - {"bad_input_catalogue"}
        self.assertLessEqual(written, files)


if __name__ == "__main__":
    unittest.main()
