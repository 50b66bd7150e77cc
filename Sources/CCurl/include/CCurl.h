#pragma once
#include <curl/curl.h>

// libcurl brings two dozen other libraries with it, and to load them takes longer than most commands run. So it is loaded when
// something is first sent. These are the functions that are used, under names of ours; those that take a variable number of
// arguments, which Swift cannot pass, have one for each kind of argument.

/// Why libcurl cannot be used; NULL when it can. Loads and initialises it when that was not done yet.
///
/// To be called before any other.
const char *hecate_curl_problem(void);

CURL *hecate_curl_init(void);
void hecate_curl_cleanup(CURL *handle);
void hecate_curl_reset(CURL *handle);
CURLcode hecate_curl_perform(CURL *handle);
const char *hecate_curl_explain(CURLcode code);

/// The list with one more text at its end; it is copied.
struct curl_slist *hecate_curl_append(struct curl_slist *list, const char *text);
void hecate_curl_free(struct curl_slist *list);

CURLcode hecate_curl_set_long(CURL *handle, CURLoption option, long value);
CURLcode hecate_curl_set_string(CURL *handle, CURLoption option, const char *value);
CURLcode hecate_curl_set_pointer(CURL *handle, CURLoption option, void *value);
CURLcode hecate_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value);

typedef size_t (*hecate_curl_write)(char *data, size_t size, size_t count, void *context);
CURLcode hecate_curl_set_write(CURL *handle, CURLoption option, hecate_curl_write callback);
typedef size_t (*hecate_curl_read)(char *buffer, size_t size, size_t count, void *context);
CURLcode hecate_curl_set_read(CURL *handle, hecate_curl_read callback);
typedef int (*hecate_curl_progress)(void *context, curl_off_t total, curl_off_t now, curl_off_t upTotal, curl_off_t up);
CURLcode hecate_curl_set_progress(CURL *handle, hecate_curl_progress callback);

/// The status of the last answer.
CURLcode hecate_curl_status(CURL *handle, long *status);
/// Seconds after which the last answer asked to be asked again, or zero when it did not say.
long hecate_curl_retry_after(CURL *handle);
