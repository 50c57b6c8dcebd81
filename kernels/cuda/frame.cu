// Images with zeros around them, so that no kernel has to test whether a place lies outside.
// Only the lines of the images are copied; the zeros are there before.

#include "device.cuh"

// Copy lines of images (lines[l] from, lines[lines + l] to) into frames, which are zero elsewhere.
KERNEL frame(const REAL *RESTRICT x, int64 size, const int64 *RESTRICT lines, int64 count,
             int64 length, REAL *RESTRICT frames, int64 frame_size, int64 images)
{
    FOR_EACH(i, images * count * length)
    {
        int64 n = i % length, line = i / length % count, image = i / length / count;
        frames[image * frame_size + lines[count + line] + n] = x[image * size + lines[line] + n];
    }
}
