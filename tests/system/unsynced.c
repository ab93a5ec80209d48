// A disk that tells the truth, for tests of power loss: preloaded into a program (LD_PRELOAD), it notes what fsync
// and fdatasync have made safe of the files below UNSYNCED_BELOW (absolute paths, joined by ':'). Everything else
// would be gone after a power loss; power_loss.py makes it so.
//
//   UNSYNCED_KEEP     directory on the same file system: `notes`, and a hard link `<inode>` to every file that was
//                     synced, so that its bytes outlive a rename over it, and its inode is not used again
//   UNSYNCED_SLOW_MS  how long every sync takes at least: a reply that does not wait for it gets a good start. Of a
//                     directory, every eighth takes sixteen times as long, and so ends after others that began later
//
// A note in `notes`, one write: an empty line; `F <time> <inode> <bytes>`, the file's first bytes are safe, or `D <time>
// <directory>` and its entries, each as `<type> <inode> <name>` on a line of its own; and `.` on a line of its own, which
// is missing if the program was killed meanwhile. `time`, in nanoseconds, is when the sync began. What is noted was seen
// between then and the real sync, and is noted after that: never more than a disk would promise. Of two syncs of one file
// or directory at once, the one that began first may be noted last, and may not have seen what the other made safe: what
// holds is what the one saw that began last.
// Not noted, and so lost: what is only written with O_SYNC, msync, syncfs or sync_file_range.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { largest_note = 1 << 20 };

struct note {
    char text[largest_note];
    size_t size;
};

// A test that cannot be trusted must not go on.
static void give_up(const char* why) {
    dprintf(STDERR_FILENO, "unsynced: %s: %s\n", why, strerror(errno));
    abort();
}

static void add(struct note* n, const char* format, ...) {
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(n->text + n->size, largest_note - n->size, format, args);
    va_end(args);
    if (size < 0 || n->size + (size_t)size >= largest_note)
        give_up("a directory has too many entries");
    n->size += (size_t)size;
}

static const char* keep(void) {
    const char* directory = getenv("UNSYNCED_KEEP");
    if (!directory)
        give_up("UNSYNCED_KEEP is not set");
    return directory;
}

// Opened anew each time: programs close descriptors that they do not know.
static void save(const struct note* n) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/notes", keep());
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, n->text, n->size) != (ssize_t)n->size)
        give_up("cannot note");
    close(fd);
}

static int is_watched(const char* path) {
    const char* below = getenv("UNSYNCED_BELOW");
    while (below && *below) {
        const size_t size = strcspn(below, ":");
        if (strncmp(path, below, size) == 0 && (path[size] == '/' || path[size] == '\0'))
            return 1;
        below += size + (below[size] == ':');
    }
    return 0;
}

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void note_file(struct note* n, long long began, int fd, const struct stat* s) {
    char from[64], to[PATH_MAX];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    snprintf(to, sizeof to, "%s/%llu", keep(), (unsigned long long)s->st_ino);
    if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) != 0 && errno != EEXIST && errno != ENOENT)
        give_up("cannot keep a file"); // ENOENT: it has no name any more, and will have none after a power loss
    add(n, "\n\nF %lld %llu %lld\n.\n", began, (unsigned long long)s->st_ino, (long long)s->st_size);
}

static void note_directory(struct note* n, long long began, const char* path) {
    DIR* d = opendir(path);
    if (!d)
        give_up("cannot read a directory");
    add(n, "\n\nD %lld %s\n", began, path);
    for (struct dirent* e = readdir(d); e; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        const char type = e->d_type == DT_DIR ? 'd' : e->d_type == DT_REG ? 'f' : 'o';
        add(n, "%c %llu %s\n", type, (unsigned long long)e->d_ino, e->d_name);
    }
    add(n, ".\n");
    closedir(d);
}

static void be_slow(int is_directory) {
    static atomic_uint directories;
    const int very = is_directory && atomic_fetch_add(&directories, 1) % 8 == 7;
    const char* ms = getenv("UNSYNCED_SLOW_MS");
    const long n = (ms ? atol(ms) : 0) * (very ? 16 : 1);
    const struct timespec t = {n / 1000, n % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static int sync_and_note(const char* how, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, how);
    char link[64], path[PATH_MAX];
    struct stat s;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const long long began = now_ns();
    const ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0 || fstat(fd, &s) != 0)
        return real(fd);
    path[size] = '\0';
    if (!is_watched(path))
        return real(fd);

    struct note* n = malloc(sizeof *n);
    if (!n)
        give_up("no memory");
    n->size = 0;
    if (S_ISDIR(s.st_mode))
        note_directory(n, began, path);
    else if (S_ISREG(s.st_mode))
        note_file(n, began, fd, &s);
    be_slow(S_ISDIR(s.st_mode));
    const int result = real(fd);
    const int why = errno;
    if (result == 0)
        save(n);
    free(n);
    errno = why;
    return result;
}

int fsync(int fd) {
    return sync_and_note("fsync", fd);
}

int fdatasync(int fd) {
    return sync_and_note("fdatasync", fd);
}
