#include "CMicrohttpd.h"
#include "CLibrary.h"
#include <pthread.h>

static struct {
    __typeof__(MHD_start_daemon) *start_daemon;
    __typeof__(MHD_quiesce_daemon) *quiesce_daemon;
    __typeof__(MHD_stop_daemon) *stop_daemon;
    __typeof__(MHD_suspend_connection) *suspend_connection;
    __typeof__(MHD_resume_connection) *resume_connection;
    __typeof__(MHD_get_connection_info) *get_connection_info;
    __typeof__(MHD_get_connection_values) *get_connection_values;
    __typeof__(MHD_create_response_from_buffer_with_free_callback_cls) *response_from_buffer;
    __typeof__(MHD_create_response_from_callback) *response_from_callback;
    __typeof__(MHD_add_response_header) *add_response_header;
    __typeof__(MHD_queue_response) *queue_response;
    __typeof__(MHD_destroy_response) *destroy_response;
} library;
static const char *problem;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    // The name of its binary interface in Debian 9 to 13 (0.9.51 to 1.0).
    struct hecate_library file = hecate_library_open("libmicrohttpd.so.12");
    library.start_daemon = hecate_library_find(&file, "MHD_start_daemon");
    library.quiesce_daemon = hecate_library_find(&file, "MHD_quiesce_daemon");
    library.stop_daemon = hecate_library_find(&file, "MHD_stop_daemon");
    library.suspend_connection = hecate_library_find(&file, "MHD_suspend_connection");
    library.resume_connection = hecate_library_find(&file, "MHD_resume_connection");
    library.get_connection_info = hecate_library_find(&file, "MHD_get_connection_info");
    library.get_connection_values = hecate_library_find(&file, "MHD_get_connection_values");
    library.response_from_buffer = hecate_library_find(&file, "MHD_create_response_from_buffer_with_free_callback_cls");
    library.response_from_callback = hecate_library_find(&file, "MHD_create_response_from_callback");
    library.add_response_header = hecate_library_find(&file, "MHD_add_response_header");
    library.queue_response = hecate_library_find(&file, "MHD_queue_response");
    library.destroy_response = hecate_library_find(&file, "MHD_destroy_response");
    problem = file.problem;
}

const char *hecate_server_problem(void) {
    pthread_once(&once, load);
    return problem;
}

struct MHD_Daemon *hecate_server_start(
    unsigned int flags, int listener, MHD_AccessHandlerCallback handler, MHD_RequestCompletedCallback completed,
    MHD_NotifyConnectionCallback changed, void *context, unsigned int connections, size_t memory, unsigned int idle,
    const char *certificate, const char *key)
{
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_LISTEN_SOCKET, listener, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, context},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)changed, context},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connections, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)idle, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {certificate ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)certificate},
        {key ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0, (void *)key},
        {MHD_OPTION_END, 0, NULL},
    };
    return library.start_daemon(flags, 0, NULL, NULL, handler, context, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}
int hecate_server_quiesce(struct MHD_Daemon *daemon) { return library.quiesce_daemon(daemon); }
void hecate_server_stop(struct MHD_Daemon *daemon) { library.stop_daemon(daemon); }

void hecate_connection_suspend(struct MHD_Connection *connection) { library.suspend_connection(connection); }
void hecate_connection_resume(struct MHD_Connection *connection) { library.resume_connection(connection); }
int hecate_connection_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = library.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}
const struct sockaddr *hecate_connection_client(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = library.get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}
int hecate_connection_values(
    struct MHD_Connection *connection, enum MHD_ValueKind kind, MHD_KeyValueIterator iterator, void *context)
{
    return library.get_connection_values(connection, kind, iterator, context);
}

struct MHD_Response *hecate_response_of_buffer(
    size_t size, const void *bytes, MHD_ContentReaderFreeCallback free, void *context)
{
    return library.response_from_buffer(size, (void *)bytes, free, context);
}
struct MHD_Response *hecate_response_of_callback(
    uint64_t size, size_t block, MHD_ContentReaderCallback reader, void *context, MHD_ContentReaderFreeCallback free)
{
    return library.response_from_callback(size, block, reader, context, free);
}
enum MHD_Result hecate_response_add_header(struct MHD_Response *response, const char *name, const char *value) {
    return library.add_response_header(response, name, value);
}
enum MHD_Result hecate_response_queue(
    struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response)
{
    return library.queue_response(connection, status, response);
}
void hecate_response_destroy(struct MHD_Response *response) { library.destroy_response(response); }
