from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def first_customer(apps, schema_editor):
    customer = apps.get_model("shop", "Customer").objects.create(name="ACME")
    apps.get_model("shop", "Order").objects.create(customer=customer, note="anvil")


class Migration(migrations.Migration):
    atomic = False  # for AddIndexConcurrently
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("Order", "total", models.DecimalField(max_digits=10, decimal_places=2, default=0)),
        migrations.RunPython(first_customer, migrations.RunPython.noop),
        AddIndexConcurrently("Order", models.Index(fields=["note"], name="order_note")),
    ]
