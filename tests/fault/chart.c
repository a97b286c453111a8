#include "chart.h"

#define WIDTH    960.0
#define HEIGHT   320.0
#define LEFT     60.0
#define RIGHT    60.0
#define TOP      60.0
#define BOTTOM   40.0
#define TICKS    4U
#define S_PER_NS 1e-9

/* Where things are, and what they are measured by. */
struct scale {
    double seconds;
    double calls_max;
    double ms_max;
};

static double x_of(const struct scale *scale, double second)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * second / scale->seconds;
}

static double y_of(double value, double max)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / max;
}

/* The next of 1, 2, 5, 10, 20, ... */
static double round_up(double value)
{
    double step = 1;

    for (unsigned i = 0; step < value; i++) {
        step *= i % 3 == 1 ? 2.5 : 2;
    }
    return step;
}

static struct scale measure(const struct book_second *seconds, size_t count)
{
    struct scale scale = {.seconds = count == 0 ? 1 : (double)count, .calls_max = 1, .ms_max = 1};

    for (size_t i = 0; i < count; i++) {
        const double calls = (double)seconds[i].answered + (double)seconds[i].failed;

        scale.calls_max = calls > scale.calls_max ? calls : scale.calls_max;
        scale.ms_max = seconds[i].longest_ms > scale.ms_max ? seconds[i].longest_ms : scale.ms_max;
    }
    scale.calls_max = round_up(scale.calls_max);
    scale.ms_max = round_up(scale.ms_max);
    return scale;
}

static void draw_axes(FILE *file, const struct scale *scale)
{
    const double step = round_up(scale->seconds / 12);

    for (unsigned i = 0; i <= TICKS; i++) {
        const double part = (double)i / TICKS;
        const double y = y_of(part, 1);

        (void)fprintf(file,
                      "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n",
                      LEFT, WIDTH - RIGHT, y, y);
        (void)fprintf(file, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n",
                      LEFT - 6, y + 4, part * scale->calls_max);
        (void)fprintf(file, "<text x=\"%.0f\" y=\"%.1f\" class=\"long\">%.0f ms</text>\n",
                      WIDTH - RIGHT + 6, y + 4, part * scale->ms_max);
    }
    for (unsigned i = 0; i * step <= scale->seconds; i++) {
        const double second = i * step;

        (void)fprintf(file, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%.0f s</text>\n",
                      x_of(scale, second), HEIGHT - BOTTOM + 16, second);
    }
}

static void draw_marks(FILE *file,
                       const struct scale *scale,
                       uint64_t first_ns,
                       const struct chart_mark *marks,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const double from = ((double)marks[i].from_ns - (double)first_ns) * S_PER_NS;
        const double to = ((double)marks[i].to_ns - (double)first_ns) * S_PER_NS;
        const double x = x_of(scale, from < 0 ? 0 : from);
        const double width = x_of(scale, to) - x;

        (void)fprintf(file,
                      "<rect x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\" class=\"mark\"/>"
                      "<text x=\"%.1f\" y=\"%.0f\" class=\"label\">%s</text>\n",
                      x, TOP, width < 1.5 ? 1.5 : width, HEIGHT - TOP - BOTTOM, x + 1,
                      TOP - 4 - 11.0 * (double)(i % 3), marks[i].label);
    }
}

/* One polygon for what was answered, a bar for each second with failures, a line for the longest.
 */
static void draw_seconds(FILE *file,
                         const struct scale *scale,
                         const struct book_second *seconds,
                         size_t count)
{
    (void)fprintf(file, "<polygon class=\"answered\" points=\"%.1f,%.1f", x_of(scale, 0),
                  y_of(0, 1));
    for (size_t i = 0; i < count; i++) {
        const double y = y_of(seconds[i].answered, scale->calls_max);

        (void)fprintf(file, " %.1f,%.1f %.1f,%.1f", x_of(scale, (double)i), y,
                      x_of(scale, (double)i + 1), y);
    }
    (void)fprintf(file, " %.1f,%.1f\"/>\n", x_of(scale, (double)count), y_of(0, 1));
    for (size_t i = 0; i < count; i++) {
        const double y = y_of(seconds[i].failed, scale->calls_max);

        if (seconds[i].failed > 0) { /* at least to be seen */
            (void)fprintf(
                file,
                "<rect class=\"failed\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                x_of(scale, (double)i), y - 2, x_of(scale, 1) - x_of(scale, 0), y_of(0, 1) - y + 2);
        }
    }
    (void)fprintf(file, "<polyline class=\"longest\" points=\"");
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(file, "%.1f,%.1f ", x_of(scale, (double)i + 0.5),
                      y_of(seconds[i].longest_ms, scale->ms_max));
    }
    (void)fprintf(file, "\"/>\n");
}

bool chart_write(const char *path,
                 const char *title,
                 const struct book *book,
                 const struct chart_mark *marks,
                 size_t marks_count)
{
    size_t count;
    uint64_t first_ns;
    const struct book_second *seconds = book_seconds(book, &count, &first_ns);
    const struct scale scale = measure(seconds, count);
    FILE *file = fopen(path, "we");

    if (file == NULL) {
        return false;
    }
    (void)fprintf(file,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                  "font-family=\"sans-serif\" font-size=\"11\">\n"
                  "<style>.grid{stroke:#ddd}.answered{fill:#9ecae1}.failed{fill:#d62728}"
                  ".longest{fill:none;stroke:#ff7f0e;stroke-width:1.5}.long{fill:#b35806}"
                  ".mark{fill:#000;fill-opacity:.07}.label{font-size:9px;fill:#444}</style>\n"
                  "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n"
                  "<text x=\"%.0f\" y=\"16\" font-size=\"13\">%s</text>\n",
                  WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, title);
    (void)fprintf(
        file,
        "<text x=\"%.0f\" y=\"%.0f\">calls in each second: "
        "<tspan fill=\"#4292c6\">answered</tspan>, <tspan fill=\"#d62728\">failed</tspan>; "
        "<tspan class=\"long\">the longest that ended in it (right)</tspan></text>\n",
        LEFT, HEIGHT - 8);
    draw_axes(file, &scale);
    draw_seconds(file, &scale, seconds, count);
    draw_marks(file, &scale, first_ns, marks, marks_count);
    (void)fprintf(file, "</svg>\n");
    return fclose(file) == 0;
}
