package com.google.ai.edge.litert

import android.content.res.AssetManager
import java.io.DataInputStream
import java.io.DataOutputStream

// Signatures as in LiteRT's litert/kotlin/src/main/kotlin/com/google/ai/edge/litert. There is no GPU,
// and answer.py does the work.

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

class Environment

class TensorBuffer internal constructor(internal val name: String) : AutoCloseable {
    internal var data = FloatArray(0)

    fun writeFloat(data: FloatArray) {
        this.data = data
    }

    fun readFloat(): FloatArray = data

    override fun close() {}
}

class CompiledModel private constructor(private val file: String) : AutoCloseable {
    class Options(internal vararg val accelerators: Accelerator)

    fun createInputBuffer(inputName: String, signature: String? = null) = TensorBuffer(inputName)

    fun createOutputBuffer(outputName: String, signature: String? = null) = TensorBuffer(outputName)

    fun run(
        inputs: Map<String, TensorBuffer>,
        outputs: Map<String, TensorBuffer>,
        signature: String? = null,
    ) {
        check((inputs + outputs).all { (name, buffer) -> buffer.name == name })
        val command = System.getProperty("answer").split(" ") + listOf(
            file, signature ?: "", inputs.keys.joinToString(","), outputs.keys.joinToString(","),
        )
        val process = ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start()
        DataOutputStream(process.outputStream.buffered()).use { stream ->
            inputs.values.forEach { buffer -> buffer.data.forEach { stream.writeFloat(it) } }
        }
        val stream = DataInputStream(process.inputStream.buffered())
        outputs.values.forEach { it.data = FloatArray(stream.readInt()) { stream.readFloat() } }
    }

    override fun close() {}

    companion object {
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options(Accelerator.CPU),
            optionalEnv: Environment? = null,
        ): CompiledModel {
            if (Accelerator.GPU in options.accelerators) throw LiteRtException("no GPU")
            return CompiledModel(assetName)
        }
    }
}
