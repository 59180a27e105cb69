/*
 * The table of MIME types: see mime.h. Only the last extension counts, in any case.
 */
#include "mime.h"

#include <string.h>

static const struct {
	const char *extensions, *type;
} types[] = {
	{"png", "image/png"},
	{"jpg jpeg", "image/jpeg"},
	{"gif", "image/gif"},
	{"webp", "image/webp"},
	{"svg", "image/svg+xml"},
	{"ico", "image/x-icon"},
	{"bmp", "image/bmp"},
	{"tiff", "image/tiff"},
	{"avif", "image/avif"},
	{"mp4", "video/mp4"},
	{"webm", "video/webm"},
	{"avi", "video/x-msvideo"},
	{"mov", "video/quicktime"},
	{"mkv", "video/x-matroska"},
	{"wmv", "video/x-ms-wmv"},
	{"mp3", "audio/mpeg"},
	{"wav", "audio/wav"},
	{"ogg", "audio/ogg"},
	{"flac", "audio/flac"},
	{"aac", "audio/aac"},
	{"m4a", "audio/mp4"},
	{"pdf", "application/pdf"},
	{"doc", "application/msword"},
	{"xls", "application/vnd.ms-excel"},
	{"ppt", "application/vnd.ms-powerpoint"},
	{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
	{"zip", "application/zip"},
	{"tar", "application/x-tar"},
	{"gz", "application/gzip"},
	{"7z", "application/x-7z-compressed"},
	{"rar", "application/vnd.rar"},
	{"json", "application/json"},
	{"xml", "application/xml"},
	{"js mjs jsx", "text/javascript"},
	{"ts tsx", "text/typescript"},
	{"html htm", "text/html"},
	{"css", "text/css"},
	{"csv", "text/csv"},
	{"md", "text/markdown"},
	{"txt", "text/plain"},
	{"yaml yml", "text/yaml"},
	{"toml", "text/toml"},
	{"rs", "text/x-rust"},
	{"cs", "text/x-csharp"},
	{"py", "text/x-python"},
	{"rb", "text/x-ruby"},
	{"go", "text/x-go"},
	{"java", "text/x-java"},
	{"c h", "text/x-c"},
	{"cpp hpp", "text/x-c++"},
	{"swift", "text/x-swift"},
	{"kt", "text/x-kotlin"},
	{"sh bash", "text/x-shellscript"},
	{"sql", "text/x-sql"},
	{"dockerfile", "text/x-dockerfile"},
	{"woff", "font/woff"},
	{"woff2", "font/woff2"},
	{"ttf", "font/ttf"},
	{"otf", "font/otf"},
	{"wasm", "application/wasm"},
	{"bin", "application/octet-stream"},
};

struct span path_name(struct span path)
{
	const char *slash = memrchr(path.p, '/', path.n);
	size_t skip = slash ? (size_t)(slash + 1 - path.p) : 0;

	return (struct span){path.p + skip, path.n - skip};
}

static bool lists(const char *words, struct span word)
{
	for (const char *p = words; *p;) {
		size_t n = strcspn(p, " ");
		if (span_eq_ci((struct span){p, n}, word))
			return true;
		p += n + (p[n] == ' ');
	}
	return false;
}

const char *mime_of_path(struct span path)
{
	struct span name = path_name(path);
	const char *dot = memrchr(name.p, '.', name.n);

	if (dot) {
		struct span extension = {dot + 1, name.n - (size_t)(dot + 1 - name.p)};
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (lists(types[i].extensions, extension))
				return types[i].type;
	}
	return "application/octet-stream";
}

bool mime_has_charset(struct span mime)
{
	return (mime.n > 5 && memcmp(mime.p, "text/", 5) == 0) || span_eq(mime, SPAN("application/json")) ||
	       span_eq(mime, SPAN("application/xml")) || span_eq(mime, SPAN("application/javascript")) ||
	       span_eq(mime, SPAN("image/svg+xml"));
}
