"""Encoded bytes to an upright RGB picture, in the graph: training, evaluation, serving share it."""

from collections.abc import Callable

import tensorflow as tf

# A camera writes Exif first, or second after JFIF; profiles and comments may stand before it, in
# segments of 64 KiB. The bound keeps a hostile file of empty segments from costing time.
_MAX_SEGMENTS = 64
_MAX_ENTRIES = 512  # of an Exif directory; cameras write about a dozen

_JPEG = b"\xff\xd8\xff"
_TAG_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4


def decode(image_bytes: tf.Tensor, plain: tf.Tensor | None = None) -> tf.Tensor:
    """Decodes one picture and turns it upright.

    Knows JPEG (grey, CMYK, progressive), PNG (palette, grey, 16 bits), GIF (the first frame) and
    BMP (8 bits with a palette, 24, 32). An alpha channel is dropped, the colours below it stay;
    of 16 bits the upper 8 are kept; colour profiles are not applied. Only a JPEG's Exif
    orientation is followed, and a damaged one counts as upright.

    Args:
      image_bytes: scalar string, an encoded picture.
      plain: scalar bool, what `is_plain_jpeg` says of it, where that is known already: to find it
        out takes a tenth of decoding 400x300 pixels.

    Returns:
      uint8 [H, W, 3], RGB.

    Raises:
      tf.errors.InvalidArgumentError: the bytes are no picture, or a truncated or unknown one.
    """
    image = tf.cond(
        is_plain_jpeg(image_bytes) if plain is None else plain,
        lambda: tf.io.decode_jpeg(image_bytes, channels=3),
        lambda: _decode_any(image_bytes),
    )
    image.set_shape([None, None, 3])
    return image


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes the turn or mirroring with which a camera stored a picture.

    Args:
      image: [H, W, C] of any type.
      orientation: scalar int32, Exif's 1 to 8; anything else counts as 1, upright.

    Returns:
      The picture upright, [H, W, C] or, for orientations 5 to 8, [W, H, C].

    Source: Exif 2.32 (CIPA DC-008), 4.6.4 A "Orientation".
    """

    def transposed() -> tf.Tensor:
        return tf.transpose(image, [1, 0, 2])

    ways_back = [
        lambda: tf.identity(image),
        lambda: tf.reverse(image, [1]),
        lambda: tf.reverse(image, [0, 1]),
        lambda: tf.reverse(image, [0]),
        lambda: transposed(),
        lambda: tf.reverse(transposed(), [1]),
        lambda: tf.reverse(transposed(), [0, 1]),
        lambda: tf.reverse(transposed(), [0]),
    ]
    turned = tf.switch_case(tf.convert_to_tensor(orientation) - 1, ways_back, default=ways_back[0])
    turned.set_shape([None, None, image.shape[-1]])
    return turned


def orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    """Reads the Exif orientation of a JPEG.

    Args:
      image_bytes: scalar string, any bytes at all; never an error.

    Returns:
      Scalar int32, 1 to 8; 1 (upright) for what is no JPEG, has no Exif, or a damaged one.
    """
    return tf.cond(
        is_plain_jpeg(image_bytes),
        lambda: tf.constant(1),
        lambda: _search_orientation(image_bytes),
    )


def is_plain_jpeg(image_bytes: tf.Tensor) -> tf.Tensor:
    """Whether a picture is a JPEG that begins as most do that no camera wrote: the JFIF segment,
    then directly the tables, so no Exif. For a string of any shape, bool of the same."""
    start = tf.strings.join([tf.strings.substr(image_bytes, 0, 22), b"\0" * 22])
    return (tf.strings.substr(start, 0, 6) == b"\xff\xd8\xff\xe0\x00\x10") & (
        tf.strings.substr(start, 20, 2) == b"\xff\xdb"
    )


def _apart(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function that stays one node of the graph: TensorFlow visits each node of a branch that is
    not taken, and those of the rare formats would cost a quarter of decoding 400x300 pixels."""
    return tf.function(
        function,
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


@_apart
def _search_orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        _starts_with(image_bytes, _JPEG),
        lambda: _read_orientation(_find_exif(image_bytes)),
        lambda: tf.constant(1),
    )


@_apart
def _decode_any(image_bytes: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        _starts_with(image_bytes, _JPEG),
        lambda: _decode_jpeg(image_bytes),
        lambda: _decode_other(image_bytes),
    )


def _decode_jpeg(jpeg: tf.Tensor) -> tf.Tensor:
    image, turned = tf.io.decode_jpeg(jpeg, channels=3), _read_orientation(_find_exif(jpeg))
    return tf.cond(turned == 1, lambda: image, lambda: turn_upright(image, turned))


def _decode_other(image_bytes: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        _starts_with(image_bytes, b"BM"),
        lambda: _decode_bmp(image_bytes),
        lambda: tf.io.decode_image(image_bytes, channels=3, expand_animations=False),
    )


def _find_exif(jpeg: tf.Tensor) -> tf.Tensor:
    """The TIFF structure inside the first Exif segment, or an empty string.

    Walks the segments (FF, marker, two bytes of length, payload) by looking at ten bytes of each,
    which copies nothing of the picture. Exif stands before the first segment that is neither
    application data (FFE0 to FFEF) nor a comment (FFFE), so the walk ends there.
    """
    size = tf.strings.length(jpeg)

    def step(position: tf.Tensor, tiff: tf.Tensor, _: tf.Tensor):
        header = tf.strings.substr(jpeg, position, 10)
        start = _bytes_of(header)
        marker, length = start[1], start[2] * 256 + start[3]
        skippable = (marker & 0xF0 == 0xE0) | (marker == 0xFE)
        is_exif = (marker == 0xE1) & (tf.strings.substr(header, 4, 6) == b"Exif\0\0")
        end = position + 2 + length
        tiff = tf.cond(
            (start[0] == 0xFF) & is_exif & (length > 8),
            lambda: tf.strings.substr(jpeg, position + 10, length - 8),
            lambda: tiff,
        )
        going = (start[0] == 0xFF) & skippable & ~is_exif & (length >= 2) & (end + 10 <= size)
        return end, tiff, going

    _, tiff, _ = tf.while_loop(
        lambda position, tiff, going: going,
        step,
        (tf.constant(2), tf.constant(b""), size >= 12),
        maximum_iterations=_MAX_SEGMENTS,
    )
    return tiff


def _read_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation in the first directory of a TIFF structure, 1 where it cannot be read.

    Layout: byte order ("II" little, "MM" big), 42, offset of the directory; there a count and
    entries of twelve bytes: tag, type, number of values, value (or its offset).
    """

    def read() -> tf.Tensor:
        raw = _bytes_of(tiff)
        size = tf.size(raw)
        little = raw[0] == ord("I")

        def numbers(values: tf.Tensor) -> tf.Tensor:
            """int64 [...] from bytes [..., n]; int64 because four bytes overflow int32."""
            values = tf.where(little, values, tf.reverse(values, [-1]))
            powers = 256 ** tf.range(tf.shape(values)[-1], dtype=tf.int64)
            return tf.reduce_sum(tf.cast(values, tf.int64) * powers, -1)

        offset = tf.cast(tf.clip_by_value(numbers(raw[4:8]), 0, tf.int32.max // 2), tf.int32)
        # What lies beyond the end reads as no entries: slices clip, they do not fail.
        stated = tf.cast(numbers(tf.pad(raw[offset : offset + 2], [[0, 2]])[:2]), tf.int32)
        present = tf.maximum(size - offset - 2, 0) // 12
        count = tf.minimum(tf.minimum(stated, present), _MAX_ENTRIES)
        entries = tf.reshape(raw[offset + 2 : offset + 2 + 12 * count], [-1, 12])
        kinds = numbers(entries[:, 2:4])
        values = tf.where(kinds == _SHORT, numbers(entries[:, 8:10]), numbers(entries[:, 8:12]))
        usable = (
            (numbers(entries[:, 0:2]) == _TAG_ORIENTATION)
            & ((kinds == _SHORT) | (kinds == _LONG))
            & (numbers(entries[:, 4:8]) == 1)
            & (values >= 1)
            & (values <= 8)
        )
        found = tf.boolean_mask(values, usable)
        return tf.cast(tf.concat([found, [1]], 0)[0], tf.int32)

    magic = tf.strings.substr(tiff, 0, 4)
    readable = (magic == b"II*\0") | (magic == b"MM\0*")
    return tf.cond(readable & (tf.strings.length(tiff) >= 14), read, lambda: tf.constant(1))


def _decode_bmp(bmp: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP; TensorFlow's decoder would give a palette's indices as shades of grey."""
    header = _bytes_of(tf.strings.join([tf.strings.substr(bmp, 0, 54), b"\0" * 54]))
    info_size, bits, compression = header[14] + 256 * header[15], header[28], header[30]

    def through_palette() -> tf.Tensor:
        with tf.control_dependencies(
            [tf.debugging.assert_equal(compression, 0, "a run-length encoded BMP is not supported")]
        ):
            indices = tf.io.decode_bmp(bmp, channels=0)[..., 0]
        colours = tf.strings.substr(bmp, 14 + info_size, 4 * 256)
        # A short palette is followed by pixels: never indexed by a sound file, harmless else.
        padded = tf.pad(_bytes_of(colours), [[0, 4 * 256]])[: 4 * 256]
        bgrx = tf.cast(tf.reshape(padded, [256, 4]), tf.uint8)
        return tf.gather(tf.reverse(bgrx[:, :3], [1]), tf.cast(indices, tf.int32))

    return tf.cond(
        bits == 8,
        through_palette,
        lambda: tf.io.decode_image(bmp, channels=3, expand_animations=False),
    )


def _starts_with(image_bytes: tf.Tensor, prefix: bytes) -> tf.Tensor:
    return tf.strings.substr(image_bytes, 0, len(prefix)) == prefix


def _bytes_of(text: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
