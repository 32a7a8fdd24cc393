package android.graphics

import java.awt.image.BufferedImage

/** Android's, as far as the guide uses it, over a picture of the JVM. */
class Bitmap(val image: BufferedImage) {
    enum class Config { ARGB_8888 }

    fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
        image.getRGB(x, y, width, height, pixels, offset, stride)
    }

    companion object {
        fun createScaledBitmap(source: Bitmap, width: Int, height: Int, filter: Boolean): Bitmap {
            check(filter && source.image.width == width && source.image.height == height)
            return source
        }

        fun createBitmap(colors: IntArray, width: Int, height: Int, config: Config): Bitmap {
            check(config == Config.ARGB_8888)
            val image = BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB)
            image.setRGB(0, 0, width, height, colors, 0, width)
            return Bitmap(image)
        }
    }
}
