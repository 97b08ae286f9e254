// Native slider. It keeps its own value: Vue would set that of a plain input anew whenever anything
// on the page is drawn again, also while the thumb is held.
export default {
  template: `<input type="range" :min="low" :max="high" :step="step" :disabled="disabled || null"
    :aria-label="label" @pointerdown="held = true" @input="held = true; report('input')"
    @change="held = false; report('change')" @pointerup="held = false" @blur="held = false">`,
  props: { label: String, low: Number, high: Number, step: Number, value: Number, disabled: Boolean },
  data: () => ({ held: false }),
  mounted() {
    this.$el.value = this.value;
  },
  methods: {
    report(event) {
      this.$emit("moved-" + event, Number(this.$el.value));
    },
    // Called by the page; a thumb that is held stays.
    show(value) {
      if (!this.held) this.$el.value = value;
    },
  },
};
