import android.content.Context
import android.graphics.Bitmap
import java.io.File
import javax.imageio.ImageIO

/** Arguments: a TFLite file, its side, a PNG, and where what it makes of it goes. */
fun main(arguments: Array<String>) {
    val (file, side, photo, output) = arguments
    Painter(Context(), file, side.toInt()).use { painter ->
        val painted = painter.paint(Bitmap(ImageIO.read(File(photo))))
        ImageIO.write(painted.image, "png", File(output))
    }
}
